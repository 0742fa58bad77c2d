// Which socket conditions wake a waiter of which interest.
#include <sys/socket.h>

#include <array>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

class SocketWakeUps : public AmongProcesses {
 protected:
  void low_water_mark(int bytes) {
    ASSERT_EQ(::setsockopt(fd(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes), 0);
  }
  // A response that the client does not read.
  void park_writer() {
    ASSERT_GT(fill(fd()), 0);
    ASSERT_EQ(set_.add(fd(), kParkedWrite), 0);
    ASSERT_TRUE(set_.silent());
  }
  int shut_down_in(Actor& process, int how) {
    return static_cast<int>(process.run([fd = fd(), how] { return ::shutdown(fd, how); }));
  }
  [[nodiscard]] int fd() const { return tcp_.server.get(); }

  Connection tcp_;
};
INSTANTIATE_TEST_SUITE_P(Tables, SocketWakeUps, both_tables(), table_name);

TEST_P(SocketWakeUps, LowWaterMarkKeepsAPartialHeadSilentUntilOneMoreByte) {
  Actor worker(GetParam());
  ASSERT_EQ(set_.add(fd(), kOneshot), 0);
  for (int unread_bytes = 1; unread_bytes <= 20; ++unread_bytes) {
    ASSERT_TRUE(say(tcp_.client.get(), "x"));
    ASSERT_EQ(collects(worker, set_).fd, fd());
    ASSERT_TRUE(arrived(fd(), unread_bytes));
    low_water_mark(unread_bytes + 1);
    ASSERT_EQ(set_.rearm(fd(), kOneshot), 0);
    ASSERT_TRUE(waits_in(worker, set_));
    set_.raise_fence();
    ASSERT_EQ(collected(worker).fd, set_.fence()) << unread_bytes << " bytes are unread and not reported";
  }
}

TEST_P(SocketWakeUps, LowWaterMarkCountsTheBytesAndNotTheSegments) {
  Actor worker(GetParam());
  low_water_mark(4);
  ASSERT_EQ(set_.add(fd(), kOneshot), 0);
  for (int unread_bytes = 1; unread_bytes <= 3; ++unread_bytes) {
    ASSERT_TRUE(say(tcp_.client.get(), "x"));
    ASSERT_TRUE(arrived(fd(), unread_bytes));
    ASSERT_TRUE(set_.silent());
  }
  ASSERT_TRUE(waits_in(worker, set_));
  ASSERT_TRUE(say(tcp_.client.get(), "x"));
  EXPECT_EQ(collected(worker).fd, fd());
}

TEST_P(SocketWakeUps, AFinWakesBelowTheLowWaterMark) {
  Actor worker(GetParam());
  ASSERT_TRUE(say(tcp_.client.get(), "12345"));
  ASSERT_TRUE(arrived(fd(), 5));
  low_water_mark(6);
  ASSERT_EQ(set_.add(fd(), kOneshot), 0);
  ASSERT_TRUE(set_.silent());
  ASSERT_TRUE(waits_in(worker, set_));
  ASSERT_EQ(::shutdown(tcp_.client.get(), SHUT_WR), 0);
  const Report report = collected(worker);
  EXPECT_EQ(report.fd, fd());
  EXPECT_EQ(report.events, static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP));
  EXPECT_EQ(unread(fd()), 5) << "and what had arrived is still there";
}

TEST_P(SocketWakeUps, AFinDoesNotWakeAWriterThatDidNotAskForIt) {
  Actor worker(GetParam());
  park_writer();
  ASSERT_EQ(::shutdown(tcp_.client.get(), SHUT_WR), 0);
  ASSERT_TRUE(fin_arrived(fd()));
  ASSERT_TRUE(waits_in(worker, set_));
  set_.raise_fence();
  EXPECT_EQ(collected(worker).fd, set_.fence());
  EXPECT_EQ(set_.reports(fd()), 0U);

  ASSERT_EQ(set_.rearm(fd(), kParkedWrite | EPOLLRDHUP), 0);
  const Report report = collects(worker, set_);
  EXPECT_EQ(report.fd, fd());
  EXPECT_EQ(report.events, static_cast<std::uint32_t>(EPOLLRDHUP)) << "with EPOLLRDHUP it would wake at once";
}

TEST_P(SocketWakeUps, AResetWakesAWriterThatAskedForNothingElse) {
  Actor worker(GetParam());
  park_writer();
  ASSERT_TRUE(waits_in(worker, set_));
  const linger abort{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(tcp_.client.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort), 0);
  // connect() to an unspecified address resets the connection, even if other processes have the descriptor.
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  ASSERT_EQ(::connect(tcp_.client.get(), &nowhere, sizeof nowhere), 0);
  EXPECT_TRUE(collected(worker).events & EPOLLERR);
}

TEST_P(SocketWakeUps, ShutdownOfReadingByAnotherProcessWakesTheReader) {
  Actor worker(GetParam());
  Actor master(GetParam());
  ASSERT_EQ(set_.add(fd(), kOneshot), 0);
  ASSERT_TRUE(waits_in(worker, set_));
  ASSERT_EQ(shut_down_in(master, SHUT_RD), 0);
  const Report report = collected(worker);
  EXPECT_EQ(report.fd, fd());
  EXPECT_EQ(report.events, static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP));
  EXPECT_EQ(worker.run([fd = fd()] { return consume(fd, 1); }), 0);
  EXPECT_EQ(worker.run([fd = fd()] { return say(fd, "408") ? 1 : 0; }), 1) << "and it can still answer";
  std::array<char, 3> answer{};
  EXPECT_EQ(::recv(tcp_.client.get(), answer.data(), answer.size(), MSG_WAITALL), 3);
}

TEST_P(SocketWakeUps, ShutdownOfReadingWakesAReaderBelowItsLowWaterMarkAndKeepsItsBytes) {
  Actor worker(GetParam());
  Actor master(GetParam());
  ASSERT_TRUE(say(tcp_.client.get(), "12345"));
  ASSERT_TRUE(arrived(fd(), 5));
  low_water_mark(6);
  ASSERT_EQ(set_.add(fd(), kOneshot), 0);
  ASSERT_TRUE(waits_in(worker, set_));
  ASSERT_EQ(shut_down_in(master, SHUT_RD), 0);
  EXPECT_EQ(collected(worker).fd, fd());
  EXPECT_EQ(worker.run([fd = fd()] { return consume(fd, 10); }), 5);
}

TEST_P(SocketWakeUps, ShutdownDuringAHoldIsReportedByTheRearm) {
  Actor worker(GetParam());
  Actor master(GetParam());
  ASSERT_EQ(set_.add(fd(), kOneshot), 0);
  ASSERT_TRUE(say(tcp_.client.get(), "x"));
  ASSERT_EQ(collects(worker, set_).fd, fd());
  ASSERT_EQ(worker.run([fd = fd()] { return consume(fd, 1); }), 1);
  ASSERT_EQ(shut_down_in(master, SHUT_RD), 0);
  ASSERT_TRUE(set_.silent());
  ASSERT_EQ(set_.rearm(fd(), kOneshot), 0);
  EXPECT_EQ(collects(worker, set_).fd, fd()) << "an expired deadline is not lost";
}

TEST_P(SocketWakeUps, AParkedWriterIsWokenByShutdownOfBothDirectionsAndNotOfReadingAlone) {
  Actor worker(GetParam());
  Actor master(GetParam());
  park_writer();
  ASSERT_TRUE(waits_in(worker, set_));
  ASSERT_EQ(shut_down_in(master, SHUT_RD), 0);
  set_.raise_fence();
  ASSERT_EQ(collected(worker).fd, set_.fence());

  ASSERT_TRUE(waits_in(worker, set_));
  ASSERT_EQ(shut_down_in(master, SHUT_RDWR), 0);
  const Report report = collected(worker);
  EXPECT_EQ(report.fd, fd());
  EXPECT_TRUE(report.events & EPOLLHUP);
}

}  // namespace
}  // namespace baton::facts
