// The order of MOD, release and `missed` (connection_table.h, epoll_set.h), tried in every order in which two or
// three workers can come at each other, with a death anywhere: no byte stays unread with nobody to be woken.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <vector>

namespace baton {
namespace {

constexpr int kMostWorkers = 3;

// One step each, as far as other processes can tell.
enum class At : std::uint8_t {
  kWaiting,     // in epoll_wait
  kClaiming,    // an event has been delivered
  kTelling,     // the claim was lost
  kTryingOnce,  // more
  kClearing,    // it has the claim
  kReading,
  kArming,
  kReleasing,
  kLooking,   // whether an event was missed
  kChecking,  // rearm(): whether the slot is armed
  kRearming,
};

// Ways to get it wrong, which the search has to find.
enum class Mistake : std::uint8_t {
  kNone,
  kNobodyTells,
  kNoSecondTry,
  kNoLook,
  kClearsAfterRelease,
  kNoTellingOfDeaths
};

struct World {
  std::array<At, kMostWorkers> workers{};
  int holder = -1;  // of the claim
  bool missed = false;
  bool registered = true;  // armed in the epoll set: EPOLLONESHOT
  bool ready = false;      // and on its ready list
  int unread = 0;
  int to_send = 0;
  int deaths_left = 0;

  auto operator<=>(const World&) const = default;
};

class Search {
 public:
  Search(int workers, Mistake mistake) : workers_(workers), mistake_(mistake) {}

  // Whether some order of steps ends with bytes that nobody will be woken for.
  bool loses(int bytes, int deaths) {
    World start;
    start.to_send = bytes;
    start.deaths_left = deaths;
    std::vector<World> open{start};
    seen_.insert(start);
    while (!open.empty()) {
      const World world = open.back();
      open.pop_back();
      const std::vector<World> next = successors(world);
      if (next.empty() && world.unread > 0) return true;
      for (const World& one : next) {
        if (seen_.insert(one).second) open.push_back(one);
      }
    }
    return false;
  }

  [[nodiscard]] std::size_t states() const { return seen_.size(); }

 private:
  std::vector<World> successors(const World& world) const {
    std::vector<World> next;
    if (world.to_send > 0) {
      World sent = world;
      --sent.to_send;
      ++sent.unread;
      sent.ready = sent.registered;
      next.push_back(sent);
    }
    for (int i = 0; i < workers_; ++i) {
      World stepped = world;
      if (step(stepped, i)) next.push_back(stepped);
      // One that waits holds nothing: its death changes nothing here.
      if (world.deaths_left > 0 && world.workers[static_cast<std::size_t>(i)] != At::kWaiting)
        next.push_back(without(world, i));
    }
    return next;
  }

  // The master hands on what the dead one held and kicks: it arms what is free, and tells who holds. Another
  // worker takes its place.
  World without(World world, int dead) const {
    --world.deaths_left;
    world.workers[static_cast<std::size_t>(dead)] = At::kWaiting;
    if (world.holder == dead) world.holder = -1;
    if (world.holder == -1) {
      mod(world);
    } else if (mistake_ != Mistake::kNoTellingOfDeaths) {
      world.missed = true;
    }
    return world;
  }

  static void mod(World& world) {
    world.registered = true;
    world.ready = world.unread > 0;
  }

  // False: it waits.
  bool step(World& world, int i) const {
    At& at = world.workers[static_cast<std::size_t>(i)];
    switch (at) {
      case At::kWaiting:
        if (!world.registered || !world.ready) return false;
        world.registered = world.ready = false;
        at = At::kClaiming;
        break;
      case At::kClaiming:
      case At::kTryingOnce:
        if (world.holder == -1) {
          world.holder = i;
          at = At::kClearing;
        } else {
          at = at == At::kClaiming && mistake_ != Mistake::kNobodyTells ? At::kTelling : At::kWaiting;
        }
        break;
      case At::kTelling:
        world.missed = true;
        at = mistake_ == Mistake::kNoSecondTry ? At::kWaiting : At::kTryingOnce;
        break;
      case At::kClearing:
        if (mistake_ != Mistake::kClearsAfterRelease) world.missed = false;
        at = At::kReading;
        break;
      case At::kReading:
        world.unread = 0;
        at = At::kArming;
        break;
      case At::kArming:
        mod(world);
        at = At::kReleasing;
        break;
      case At::kReleasing:
        world.holder = -1;
        at = mistake_ == Mistake::kNoLook ? At::kWaiting : At::kLooking;
        break;
      case At::kLooking:
        at = world.missed ? At::kChecking : At::kWaiting;
        if (mistake_ == Mistake::kClearsAfterRelease) world.missed = false;
        break;
      case At::kChecking: at = world.holder == -1 ? At::kRearming : At::kWaiting; break;
      case At::kRearming:
        mod(world);
        at = At::kWaiting;
        break;
    }
    return true;
  }

  int workers_;
  Mistake mistake_;
  std::set<World> seen_;
};

TEST(RearmModel, LosesNoWakeUpInAnyOrder) {
  for (int workers = 1; workers <= kMostWorkers; ++workers) {
    for (int deaths = 0; deaths <= 2; ++deaths) {
      Search search(workers, Mistake::kNone);
      EXPECT_FALSE(search.loses(3, deaths)) << workers << " workers, " << deaths << " deaths";
      EXPECT_GT(search.states(), 10U);
    }
  }
}

TEST(RearmModel, FindsEachMistake) {
  for (const Mistake mistake : {Mistake::kNobodyTells, Mistake::kNoSecondTry, Mistake::kNoLook,
                                Mistake::kClearsAfterRelease, Mistake::kNoTellingOfDeaths})
    EXPECT_TRUE(Search(kMostWorkers, mistake).loses(3, 1)) << static_cast<int>(mistake);
}

}  // namespace
}  // namespace baton
