// Line 5: a listener must not be ONESHOT.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <vector>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

class Listener : public AmongProcesses {
 protected:
  // `observer_` first: a socket wakes the epoll sets that watch it newest first, so a client that the
  // observer reports has already been offered to the set under test.
  void watch(std::uint32_t events) {
    ASSERT_EQ(observer_.add(listener_.get(), EPOLLIN | EPOLLET), 0);
    ASSERT_EQ(set_.add(listener_.get(), events), 0);
  }
  void connect_client() {
    clients_.push_back(connect_to(listener_.get()));
    ASSERT_EQ(observer_.next().fd, listener_.get());
  }
  std::int64_t accept_in(Actor& worker) {
    return worker.run([fd = listener_.get()]() -> std::int64_t {
      const int client = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      return client >= 0 && ::close(client) == 0 ? 1 : 0;
    });
  }
  [[nodiscard]] unsigned backlog() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    EXPECT_EQ(::getsockopt(listener_.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_unacked;  // of a listener: clients that wait to be accepted
  }

  EpollSet observer_;
  UniqueFd listener_ = listen_on_loopback();
  std::vector<UniqueFd> clients_;
};
INSTANTIATE_TEST_SUITE_P(Tables, Listener, both_tables(), table_name);

TEST_P(Listener, WithOneshotAcceptsOneClientAndGoesDeaf) {
  watch(EPOLLIN | EPOLLET | EPOLLONESHOT);
  Actor first(GetParam());
  Actor second(GetParam());
  ASSERT_TRUE(waits_in(first, set_));
  connect_client();
  ASSERT_EQ(collected(first).fd, listener_.get());
  EXPECT_EQ(accept_in(first), 1);

  for (Actor* worker : {&first, &second, &first}) {
    ASSERT_TRUE(waits_in(*worker, set_));
    connect_client();
    set_.raise_fence();
    ASSERT_EQ(collected(*worker).fd, set_.fence()) << "the new client is not reported";
  }
  EXPECT_EQ(backlog(), 3U);
  EXPECT_EQ(set_.reports(listener_.get()), 1U);

  ASSERT_EQ(set_.rearm(listener_.get(), EPOLLIN | EPOLLET | EPOLLONESHOT), 0);
  EXPECT_EQ(collects(second, set_).fd, listener_.get()) << "only the re-arm makes it hear again";
}

TEST_P(Listener, EdgeTriggeredReportsEachClientToAFreeProcessWhileOthersWaitInTheBacklog) {
  watch(EPOLLIN | EPOLLET);
  Actor blocked(GetParam());
  Actor free(GetParam());
  ASSERT_TRUE(waits_in(blocked, set_));
  connect_client();
  ASSERT_EQ(collected(blocked).fd, listener_.get());  // and does not accept it
  for (unsigned client = 2; client <= 10; ++client) {
    ASSERT_TRUE(waits_in(free, set_));
    connect_client();
    ASSERT_EQ(collected(free).fd, listener_.get());
    ASSERT_EQ(backlog(), client);
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(accept_in(free), 1) << "one report entitles to all that wait";
  EXPECT_EQ(accept_in(free), 0);
}

TEST_P(Listener, RearmReportsClientsThatAlreadyWait) {
  watch(EPOLLIN | EPOLLET);
  connect_client();
  Actor dies(GetParam());
  Actor heir(GetParam());
  ASSERT_EQ(collects(dies, set_).fd, listener_.get());
  EXPECT_EQ(dies.kill(), -SIGKILL);
  ASSERT_TRUE(waits_in(heir, set_));
  set_.raise_fence();
  ASSERT_EQ(collected(heir).fd, set_.fence()) << "the edge died with the process that collected it";
  ASSERT_TRUE(waits_in(heir, set_));
  ASSERT_EQ(set_.rearm(listener_.get(), EPOLLIN | EPOLLET), 0);
  EXPECT_EQ(collected(heir).fd, listener_.get());
  EXPECT_EQ(accept_in(heir), 1);
}

}  // namespace
}  // namespace baton::facts
