// Line 4: may two processes be on one connection at once? With EPOLLET alone yes, with EPOLLET|EPOLLONESHOT
// never.
#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include "tests/epoll/facts_fixture.h"

namespace baton::facts {
namespace {

constexpr std::size_t kMaxFd = 1024;

// Which process is on which connection. In shared memory; every process updates it.
struct Occupancy {
  std::array<std::atomic<int>, kMaxFd> inside{};
  std::array<std::atomic<int>, kMaxFd> most_inside{};
  std::atomic<std::int64_t> consumed{0};
  std::atomic<int> served_by{0};  // workers that have been on any connection

  void enter(int fd) {
    const int now = ++inside.at(static_cast<std::size_t>(fd));
    auto& most = most_inside.at(static_cast<std::size_t>(fd));
    for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
    }
  }
  void leave(int fd) { --inside.at(static_cast<std::size_t>(fd)); }
  [[nodiscard]] int most(int fd) const { return most_inside.at(static_cast<std::size_t>(fd)).load(); }
};

class Exclusive : public AmongProcesses {
 protected:
  // Collects a report in `worker` and stays inside that connection.
  static std::int64_t enter_next(const EpollSet* set, Occupancy* occupancy) {
    const int fd = set->next().fd;
    if (fd >= 0 && fd != set->fence()) occupancy->enter(fd);
    return fd;
  }
  void start_entering(Actor& worker) {
    worker.start([set = &set_, shared = occupancy_.get()] { return enter_next(set, shared); });
  }

  Shared<Occupancy> occupancy_;
};
INSTANTIATE_TEST_SUITE_P(Tables, Exclusive, both_tables(), table_name);

TEST_P(Exclusive, EdgeTriggeredAlonePutsSeveralProcessesOnOneConnection) {
  const Connection tcp;
  const int fd = tcp.server.get();
  ASSERT_EQ(set_.add(fd, kEdge), 0);
  std::array<Actor, 3> workers{Actor(GetParam()), Actor(GetParam()), Actor(GetParam())};
  for (Actor& worker : workers) {
    start_entering(worker);
    ASSERT_TRUE(say(tcp.client.get(), "12"));
    ASSERT_EQ(worker.finish(), fd);  // and stays there while the next data arrives
  }
  EXPECT_EQ(occupancy_->most(fd), 3);

  // What it costs: one client's bytes are scattered over the processes.
  for (Actor& worker : workers) EXPECT_EQ(worker.run([fd] { return consume(fd, 2); }), 2);
}

TEST_P(Exclusive, OneshotKeepsTheOthersOffAConnectionThatIsHeld) {
  constexpr int kRounds = 50;
  const Connection held;
  const Connection other;
  ASSERT_EQ(set_.add(held.server.get(), kOneshot), 0);
  ASSERT_EQ(set_.add(other.server.get(), kOneshot), 0);
  std::array<Actor, 2> workers{Actor(GetParam()), Actor(GetParam())};
  const auto give_back = [this](Actor& worker, int fd, std::size_t bytes) {
    EXPECT_EQ(worker.run([fd, bytes] { return consume(fd, bytes); }), static_cast<std::int64_t>(bytes));
    occupancy_->leave(fd);
    EXPECT_EQ(worker.run([set = &set_, fd] { return set->rearm(fd, kOneshot); }), 0);
  };
  for (std::size_t round = 0; round < kRounds; ++round) {
    Actor& holder = workers[round % 2];
    Actor& free = workers[1 - round % 2];
    start_entering(holder);
    ASSERT_TRUE(say(held.client.get(), "1"));
    ASSERT_EQ(holder.finish(), held.server.get());

    start_entering(free);
    ASSERT_TRUE(free.falls_asleep());
    ASSERT_TRUE(say(held.client.get(), "2"));  // reported first, were it reported at all
    ASSERT_TRUE(arrived(held.server.get(), 2));
    ASSERT_TRUE(say(other.client.get(), "x"));
    ASSERT_EQ(free.finish(), other.server.get());
    ASSERT_TRUE(set_.silent());
    give_back(free, other.server.get(), 1);
    give_back(holder, held.server.get(), 2);
  }
  EXPECT_EQ(occupancy_->most(held.server.get()), 1);
  EXPECT_EQ(set_.reports(held.server.get()), static_cast<std::uint32_t>(kRounds));
}

// A worker of the race below: on each report it steps inside, reads a little, steps out, re-arms.
int serve_until_quit(const EpollSet& set, Occupancy& occupancy, int quit, int workers) {
  bool counted = false;
  for (unsigned turn = 0;; ++turn) {
    const int fd = set.next().fd;
    if (fd < 0) return 1;
    if (fd == quit) return 0;
    occupancy.enter(fd);
    if (!counted) {
      // No worker goes on before every worker holds a connection, so that the race has all its runners.
      counted = true;
      ++occupancy.served_by;
      if (!eventually([&] { return occupancy.served_by == workers; })) return 2;
    }
    const std::int64_t count = consume(fd, 3);
    if (turn % 16 == 0) ::sched_yield();  // widens the window for an intruder
    if (count > 0) occupancy.consumed += count;
    occupancy.leave(fd);
    if (set.rearm(fd, kOneshot) != 0) return 3;
  }
}

TEST_P(Exclusive, OneshotAdmitsOneProcessPerConnectionThroughManyRounds) {
  constexpr int kWorkers = 3;
  constexpr int kRounds = 1500;
  std::array<Connection, 4> connections;
  for (const Connection& tcp : connections) ASSERT_EQ(set_.add(tcp.server.get(), kOneshot), 0);
  const Connection quit;  // level-triggered, so that it reaches every worker
  ASSERT_EQ(set_.add(quit.server.get(), kLevel), 0);
  std::deque<Child> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back(GetParam(),
                         [&] { return serve_until_quit(set_, *occupancy_, quit.server.get(), kWorkers); });
  }
  std::int64_t sent = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(say(connections[round % connections.size()].client.get(), "12345"));
    sent += 5;
  }
  EXPECT_TRUE(eventually([&] { return occupancy_->consumed == sent; })) << occupancy_->consumed.load();
  ASSERT_TRUE(say(quit.client.get(), "x"));
  for (Child& worker : workers) EXPECT_EQ(worker.wait(), 0);
  EXPECT_EQ(occupancy_->served_by, kWorkers);
  std::uint32_t reports = 0;
  for (const Connection& tcp : connections) {
    EXPECT_EQ(occupancy_->most(tcp.server.get()), 1);
    reports += set_.reports(tcp.server.get());
  }
  EXPECT_GE(reports, sent / 3) << "at most three bytes a turn";
}

}  // namespace
}  // namespace baton::facts
