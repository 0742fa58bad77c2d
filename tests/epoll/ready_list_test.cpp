// The ready list as the run queue: which process gets the next event, and what happens to the event when that
// process stalls or dies.
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <vector>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

class ReadyList : public AmongProcesses {
 protected:
  void make_ready(const Connection& tcp) {
    ASSERT_TRUE(say(tcp.client.get(), "x"));
    ASSERT_TRUE(arrived(tcp.server.get(), 1));
  }
  void watch_all(const std::vector<Connection>& connections) {
    for (const Connection& tcp : connections) ASSERT_EQ(set_.add(tcp.server.get(), kOneshot), 0);
  }
};
INSTANTIATE_TEST_SUITE_P(Tables, ReadyList, both_tables(), table_name);

TEST_P(ReadyList, GivesEachReadyConnectionToAnotherFreeProcess) {
  const std::vector<Connection> connections(4);
  watch_all(connections);
  std::deque<Actor> workers;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    workers.emplace_back(GetParam());
    ASSERT_TRUE(waits_in(workers.back(), set_));
  }
  for (const Connection& tcp : connections) make_ready(tcp);
  std::vector<int> served;
  served.reserve(workers.size());
  for (Actor& worker : workers) served.push_back(collected(worker).fd);
  std::sort(served.begin(), served.end());
  EXPECT_EQ(std::unique(served.begin(), served.end()), served.end()) << "one each";
  for (const Connection& tcp : connections) EXPECT_EQ(set_.reports(tcp.server.get()), 1U);
}

TEST_P(ReadyList, ABlockedProcessDelaysNobodyWhenEachAsksForOneEvent) {
  const std::vector<Connection> connections(20);
  watch_all(connections);
  Actor blocked(GetParam());
  Actor free(GetParam());
  for (const Connection& tcp : connections) make_ready(tcp);
  ASSERT_EQ(collects(blocked, set_).fd, connections.front().server.get());
  // It stays in that connection; the list is first in, first out for the other one.
  for (std::size_t i = 1; i < connections.size(); ++i) {
    ASSERT_EQ(collects(free, set_).fd, connections[i].server.get());
  }
  EXPECT_TRUE(set_.silent());
}

TEST_P(ReadyList, ABlockedProcessThatAskedForManyEventsSitsOnAllOfThem) {
  const std::vector<Connection> connections(20);
  watch_all(connections);
  Actor greedy(GetParam());
  Actor free(GetParam());
  for (const Connection& tcp : connections) make_ready(tcp);
  ASSERT_EQ(greedy.run([set = set_.get()] {
    std::array<epoll_event, 64> events{};
    return std::int64_t{::epoll_wait(set, events.data(), 64, kGuardMs)};
  }),
            20);
  ASSERT_TRUE(waits_in(free, set_));
  set_.raise_fence();
  EXPECT_EQ(collected(free).fd, set_.fence()) << "19 connections that nobody handles and nobody else can get";
}

TEST_P(ReadyList, AProcessKilledWhileHoldingAOneshotEventLeavesItStrandedUntilARearm) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kOneshot), 0);
  Actor heir(GetParam());
  for (std::uint32_t round = 1; round <= 5; ++round) {
    Actor dies(GetParam());
    ASSERT_TRUE(waits_in(dies, set_));
    ASSERT_TRUE(say(tcp.client.get(), "x"));
    ASSERT_EQ(collected(dies).fd, fd);
    ASSERT_EQ(dies.kill(), -SIGKILL);

    ASSERT_TRUE(say(tcp.client.get(), "y"));
    ASSERT_TRUE(arrived(fd, 2));
    ASSERT_TRUE(waits_in(heir, set_));
    set_.raise_fence();
    ASSERT_EQ(collected(heir).fd, set_.fence()) << "stranded, though it has unread data";
    ASSERT_EQ(set_.reports(fd), 2 * round - 1);

    ASSERT_TRUE(waits_in(heir, set_));
    ASSERT_EQ(set_.rearm(fd, kOneshot), 0);
    ASSERT_EQ(collected(heir).fd, fd);
    ASSERT_EQ(heir.run([fd] { return consume(fd, 2); }), 2) << "the request is still in the socket";
    ASSERT_EQ(heir.run([set = &set_, fd] { return set->rearm(fd, kOneshot); }), 0);
  }
}

// A stop signal ends the sleep inside epoll_wait, so a stopped process is no waiter. (One that is stopped or
// starved between its wake-up and its collecting is: see LostWakeUp.)
TEST_P(ReadyList, AProcessStoppedWhileItWaitsTakesNoEventFromTheOthers) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kOneshot), 0);
  Actor running(GetParam());
  Actor stopped(GetParam());
  ASSERT_TRUE(waits_in(running, set_));
  ASSERT_TRUE(waits_in(stopped, set_)) << "last to sleep, first to be woken";
  ASSERT_EQ(::kill(stopped.pid(), SIGSTOP), 0);
  ASSERT_TRUE(eventually([&] { return process_state(stopped.pid()) == 'T'; }));
  ASSERT_TRUE(say(tcp.client.get(), "x"));
  EXPECT_EQ(collected(running).fd, fd);
  ASSERT_EQ(::kill(stopped.pid(), SIGCONT), 0);
  set_.raise_fence();
  EXPECT_EQ(collected(stopped).fd, set_.fence());
}

// Keeps this process on one CPU, so that a victim of the lowest priority on the same CPU is woken but does
// not run.
class PinnedToOneCpu {
 public:
  PinnedToOneCpu() {
    EXPECT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0);
    CPU_ZERO(&one_);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one_);
    EXPECT_EQ(::sched_setaffinity(0, sizeof one_, &one_), 0);
  }
  PinnedToOneCpu(const PinnedToOneCpu&) = delete;
  PinnedToOneCpu& operator=(const PinnedToOneCpu&) = delete;
  ~PinnedToOneCpu() { EXPECT_EQ(::sched_setaffinity(0, sizeof before_, &before_), 0); }
  void starve(pid_t pid) const {
    const sched_param lowest{};
    EXPECT_EQ(::sched_setaffinity(pid, sizeof one_, &one_), 0);
    EXPECT_EQ(::sched_setscheduler(pid, SCHED_IDLE, &lowest), 0);
  }
  void release(pid_t pid) const { EXPECT_EQ(::sched_setaffinity(pid, sizeof before_, &before_), 0); }

 private:
  cpu_set_t before_{};
  cpu_set_t one_{};
};

class LostWakeUp : public ReadyList {
 protected:
  void SetUp() override { ASSERT_EQ(set_.add(tcp_.server.get(), kOneshot), 0); }

  // Leaves an event in the ready list while `bystander` sleeps in epoll_wait: the one wake-up went to a
  // victim that died before it collected. Whether the victim is slow enough is up to the scheduler, hence the
  // attempts.
  bool lose_a_wake_up(Actor& bystander) {
    const int fd = tcp_.server.get();
    const PinnedToOneCpu pinned;
    pinned.release(bystander.pid());
    for (int attempt = 0; attempt < 1000; ++attempt) {
      Actor victim(GetParam());
      // The waiter that fell asleep last is woken first.
      if (!waits_in(bystander, set_) || !waits_in(victim, set_)) return false;
      pinned.starve(victim.pid());
      make_ready(tcp_);
      victim.kill();
      if (set_.armed(fd) && bystander.asleep()) return true;
      if (bystander.asleep()) set_.raise_fence();
      static_cast<void>(collected(bystander));
      consume(fd, 1);
      if (set_.rearm(fd, kOneshot) != 0) return false;
    }
    return false;
  }

  // Whether anything is queued. Asking puts the list back together, and that wakes a waiter if it is not
  // empty.
  [[nodiscard]] bool probe() const {
    pollfd ready{.fd = set_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, 0) == 1;
  }

  Connection tcp_;
};
INSTANTIATE_TEST_SUITE_P(Tables, LostWakeUp, both_tables(), table_name);

TEST_P(LostWakeUp, RearmingAnEventThatIsAlreadyQueuedWakesNobodyButPollingTheSetDoes) {
  Actor bystander(GetParam());
  ASSERT_TRUE(lose_a_wake_up(bystander));
  ASSERT_EQ(set_.rearm(tcp_.server.get(), kOneshot), 0);
  EXPECT_TRUE(bystander.asleep()) << "MOD found it queued and left it at that";
  EXPECT_TRUE(probe());
  EXPECT_EQ(collected(bystander).fd, tcp_.server.get());
}

// Why a finite timeout is a backstop: each wait begins with a look at the ready list.
TEST_P(LostWakeUp, AProcessThatEntersTheWaitFindsTheQueuedEventWithoutAWakeUp) {
  Actor bystander(GetParam());
  Actor returning(GetParam());
  ASSERT_TRUE(lose_a_wake_up(bystander));
  EXPECT_EQ(collects(returning, set_).fd, tcp_.server.get());
  EXPECT_TRUE(bystander.asleep());
}

}  // namespace
}  // namespace baton::facts
