// Lines 1, 2, 3 and 6 of what the sources say about epoll: when is an event reported, to whom, and how often.
#include <sys/socket.h>

#include <array>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

class TriggerModes : public AmongProcesses {};
INSTANTIATE_TEST_SUITE_P(Tables, TriggerModes, both_tables(), table_name);

TEST_P(TriggerModes, LevelTriggeredReportsToEveryProcessWhileDataRemains) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kLevel), 0);
  std::array<Actor, 3> workers{Actor(GetParam()), Actor(GetParam()), Actor(GetParam())};
  for (Actor& worker : workers) ASSERT_TRUE(waits_in(worker, set_));

  ASSERT_TRUE(say(tcp.client.get(), "x"));
  for (Actor& worker : workers) EXPECT_EQ(collected(worker).fd, fd);
  for (Actor& worker : workers) EXPECT_EQ(collects(worker, set_).fd, fd);
  EXPECT_EQ(set_.reports(fd), 6U) << "one byte, three processes, two waits each";

  EXPECT_EQ(workers[0].run([fd] { return consume(fd, 1); }), 1);
  EXPECT_TRUE(set_.silent());
}

TEST_P(TriggerModes, EdgeTriggeredReportsOneArrivalToOneProcessOnce) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kEdge), 0);
  Actor first(GetParam());
  Actor second(GetParam());
  ASSERT_TRUE(waits_in(first, set_));
  ASSERT_TRUE(say(tcp.client.get(), "x"));
  ASSERT_EQ(collected(first).fd, fd);
  ASSERT_TRUE(arrived(fd, 1));

  ASSERT_TRUE(waits_in(first, set_));
  set_.raise_fence();
  EXPECT_EQ(collected(first).fd, set_.fence()) << "unread data alone is no edge";
  ASSERT_TRUE(waits_in(second, set_));
  set_.raise_fence();
  EXPECT_EQ(collected(second).fd, set_.fence()) << "nor is it one for another process";
  EXPECT_EQ(set_.reports(fd), 1U);
}

// The claim that a second arrival stays unreported until the buffer has been emptied is wrong on Linux.
TEST_P(TriggerModes, EdgeTriggeredReportsEachArrivalWhileEarlierDataIsUnread) {
  constexpr int kArrivals = 64;
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kEdge), 0);
  std::array<Actor, 2> workers{Actor(GetParam()), Actor(GetParam())};
  for (int i = 1; i <= kArrivals; ++i) {
    Actor& worker = workers[static_cast<std::size_t>(i) % workers.size()];
    ASSERT_TRUE(waits_in(worker, set_));
    ASSERT_TRUE(say(tcp.client.get(), "x"));
    ASSERT_EQ(collected(worker).fd, fd) << "arrival " << i;
    ASSERT_TRUE(arrived(fd, i)) << "nobody reads";
    ASSERT_TRUE(set_.silent());
  }
  EXPECT_EQ(set_.reports(fd), static_cast<std::uint32_t>(kArrivals));
}

TEST_P(TriggerModes, OneshotReportsOnceAndTheRearmItselfReportsWhatArrivedMeanwhile) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kOneshot), 0);
  Actor holder(GetParam());
  Actor other(GetParam());
  ASSERT_TRUE(waits_in(holder, set_));
  ASSERT_TRUE(say(tcp.client.get(), "a"));
  ASSERT_EQ(collected(holder).fd, fd);

  ASSERT_TRUE(waits_in(other, set_));
  ASSERT_TRUE(say(tcp.client.get(), "b"));
  ASSERT_TRUE(arrived(fd, 2));
  set_.raise_fence();
  ASSERT_EQ(collected(other).fd, set_.fence()) << "silence until EPOLL_CTL_MOD";
  EXPECT_EQ(set_.reports(fd), 1U);

  // Nothing is sent from here on: the report comes from the re-arm.
  ASSERT_TRUE(waits_in(other, set_));
  EXPECT_EQ(holder.run([set = &set_, fd] { return set->rearm(fd, kOneshot); }), 0);
  EXPECT_EQ(collected(other).fd, fd);
  EXPECT_EQ(set_.reports(fd), 2U);
  EXPECT_TRUE(set_.silent()) << "and that report disarmed it again";
}

TEST_P(TriggerModes, RearmReportsLeftoverDataSoNobodyNeedsToDrainTheSocket) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kOneshot), 0);
  std::array<Actor, 2> workers{Actor(GetParam()), Actor(GetParam())};
  ASSERT_TRUE(say(tcp.client.get(), "0123456789"));
  ASSERT_TRUE(arrived(fd, 10));
  for (std::size_t left = 10; left > 0; --left) {
    Actor& worker = workers[left % workers.size()];
    ASSERT_EQ(collects(worker, set_).fd, fd);
    ASSERT_EQ(worker.run([fd] { return consume(fd, 1); }), 1);
    ASSERT_EQ(worker.run([set = &set_, fd] { return set->rearm(fd, kOneshot); }), 0);
  }
  EXPECT_TRUE(set_.silent()) << "a re-arm of an empty socket reports nothing";
  EXPECT_EQ(set_.reports(fd), 10U);
}

TEST_P(TriggerModes, ForgettingToRearmSilencesAConnectionForEver) {
  constexpr int kArrivals = 100;
  Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kOneshot), 0);
  Actor forgetful(GetParam());
  Actor other(GetParam());
  ASSERT_TRUE(say(tcp.client.get(), "x"));
  ASSERT_EQ(collects(forgetful, set_).fd, fd);

  for (int i = 2; i <= kArrivals; ++i) {
    ASSERT_TRUE(say(tcp.client.get(), "x"));
    ASSERT_TRUE(arrived(fd, i));
    ASSERT_TRUE(set_.silent()) << "arrival " << i;
  }
  ASSERT_EQ(::shutdown(tcp.client.get(), SHUT_WR), 0);
  ASSERT_TRUE(fin_arrived(fd));
  ASSERT_TRUE(waits_in(other, set_));
  set_.raise_fence();
  ASSERT_EQ(collected(other).fd, set_.fence()) << "not even the end of the stream is reported";
  EXPECT_EQ(set_.reports(fd), 1U);

  ASSERT_EQ(set_.rearm(fd, kOneshot), 0);
  const Report report = collects(other, set_);
  EXPECT_EQ(report.fd, fd);
  EXPECT_EQ(report.events, static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP));
}

TEST_P(TriggerModes, ADisarmedConnectionIsSilentEvenAboutAReset) {
  Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kOneshot), 0);
  Actor worker(GetParam());
  ASSERT_TRUE(say(tcp.client.get(), "x"));
  ASSERT_EQ(collects(worker, set_).fd, fd);

  const linger abort{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(tcp.client.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort), 0);
  if (GetParam() == Table::kCopy) {  // its copy of the client's end keeps the connection alive
    ASSERT_EQ(worker.run([client = tcp.client.get()] { return ::close(client); }), 0);
  }
  tcp.client.reset();
  ASSERT_TRUE(reset_arrived(fd));
  EXPECT_TRUE(set_.silent());
  ASSERT_EQ(set_.rearm(fd, kOneshot), 0);
  EXPECT_TRUE(collects(worker, set_).events & EPOLLHUP);
}

}  // namespace
}  // namespace baton::facts
