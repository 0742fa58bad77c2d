// Handing a connection back: MOD, release and `missed` (ConnectionTable, EpollSet). A search tries all orders in
// which workers, the master's sweep and the client can come at each other, with a death anywhere. It looks for
// an end at which the client waits and no process will be woken.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <vector>

namespace baton {
namespace {

constexpr std::size_t kMostWorkers = 3;
constexpr std::size_t kSweep = kMostWorkers;  // the actor that only re-arms

// One step each, as far as other processes can tell.
enum class At : std::uint8_t {
  kResting,  // a worker waits in epoll_wait; the sweep does nothing
  // claim_or_tell()
  kClaiming,
  kDeciding,
  kTelling,
  kTryingOnce,
  kClearing,
  // Turn::handle()
  kServing,
  kArming,
  kReleasing,
  kLooking,
  // EpollSet::rearm()
  kChecking,
  kRearming,
  kLookingAgain,
  kTellingHolder,
  kLookingOnce,
};

enum Interest : std::int8_t { kNone = -1, kIn, kOut };

// Ways to get it wrong, which the search has to find.
enum class Mistake : std::uint8_t {
  kNone,
  kNobodyTells,
  kTellsHoldersOnly,
  kNoSecondTry,
  kNoLook,
  kClearsAfterRelease,
  kRearmTellsNoHolder,
  kNoTellingOfDeaths,
};

struct Actor {
  At at = At::kResting;
  Interest seen = kNone;  // what it is about to register

  auto operator<=>(const Actor&) const = default;
};

struct World {
  std::array<Actor, kMostWorkers + 1> actors{};
  int holder = -1;            // of the claim
  Interest state = kIn;       // what the slot is armed for, if it is not held
  Interest registered = kIn;  // in the epoll set: EPOLLONESHOT
  bool ready = false;         // and on its ready list
  bool missed = false;
  bool parked = false;  // a response that the client has to make room for
  bool room = false;    // and it has
  int unread = 0;
  int to_send = 0;
  int parks_left = 1;
  int sweeps_left = 0;
  int deaths_left = 0;

  auto operator<=>(const World&) const = default;
};

class Search {
 public:
  Search(std::size_t workers, Mistake mistake) : workers_(workers), mistake_(mistake) {}

  // Whether some order of steps ends with a client that waits for ever.
  bool loses(int bytes, int sweeps, int deaths) {
    World start;
    start.to_send = bytes;
    start.sweeps_left = sweeps;
    start.deaths_left = deaths;
    std::vector<World> open{start};
    seen_.insert(start);
    while (!open.empty()) {
      const World world = open.back();
      open.pop_back();
      const std::vector<World> next = successors(world);
      if (next.empty() && (world.unread > 0 || world.parked)) return true;
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
      sent.ready = sent.ready || sent.registered == kIn;
      next.push_back(sent);
    }
    if (world.parked && !world.room) {
      World read = world;
      read.room = true;
      read.ready = read.ready || read.registered == kOut;
      next.push_back(read);
    }
    if (world.sweeps_left > 0 && world.actors[kSweep].at == At::kResting) {
      World swept = world;
      --swept.sweeps_left;
      swept.actors[kSweep].at = At::kChecking;
      next.push_back(swept);
    }
    for (std::size_t i = 0; i <= kSweep; ++i) {
      if (i != kSweep && i >= workers_) continue;
      World stepped = world;
      if (step(stepped, i)) next.push_back(stepped);
      if (i != kSweep && world.deaths_left > 0 && world.actors[i].at != At::kResting)
        next.push_back(without(world, i));
    }
    return next;
  }

  // The master hands on what the dead worker held and kicks. Another worker takes its place.
  World without(World world, std::size_t dead) const {
    --world.deaths_left;
    world.actors[dead] = {};
    if (world.holder == static_cast<int>(dead)) {
      world.holder = -1;
      world.state = world.parked ? kOut : kIn;
    }
    if (world.holder == -1) {
      mod(world, world.state);
    } else if (mistake_ != Mistake::kNoTellingOfDeaths) {
      world.missed = true;
    }
    return world;
  }

  static void mod(World& world, Interest interest) {
    world.registered = interest;
    world.ready = interest == kIn ? world.unread > 0 : !world.parked || world.room;
  }

  // Sends what is parked, or answers what has arrived. The first answer does not fit the socket.
  static void serve(World& world, Actor& actor) {
    if (world.parked && world.room) world.parked = world.room = false;
    if (!world.parked) {
      world.parked = world.unread > 0 && world.parks_left > 0;
      if (world.parked) --world.parks_left;
      world.unread = 0;
    }
    actor.seen = world.parked ? kOut : kIn;
  }

  static At claim(World& world, std::size_t i, At otherwise) {
    if (world.holder != -1) return otherwise;
    world.holder = static_cast<int>(i);
    return At::kClearing;
  }

  // False: it waits.
  bool step(World& world, std::size_t i) const {
    Actor& actor = world.actors[i];
    const bool held = world.holder != -1;
    switch (actor.at) {
      case At::kResting:
        if (i == kSweep || world.registered == kNone || !world.ready) return false;
        world.registered = kNone;
        world.ready = false;
        actor.at = At::kClaiming;
        break;
      case At::kClaiming:
        actor.at = claim(world, i, mistake_ == Mistake::kNobodyTells ? At::kResting : At::kDeciding);
        break;
      case At::kDeciding:
        actor.at = mistake_ == Mistake::kTellsHoldersOnly && !held ? At::kResting : At::kTelling;
        break;
      case At::kTelling:
        world.missed = true;
        actor.at = mistake_ == Mistake::kNoSecondTry ? At::kResting : At::kTryingOnce;
        break;
      case At::kTryingOnce: actor.at = claim(world, i, At::kResting); break;
      case At::kClearing:
        if (mistake_ != Mistake::kClearsAfterRelease) world.missed = false;
        actor.at = At::kServing;
        break;
      case At::kServing:
        serve(world, actor);
        actor.at = At::kArming;
        break;
      case At::kArming:
        mod(world, actor.seen);
        actor.at = At::kReleasing;
        break;
      case At::kReleasing:
        world.state = actor.seen;
        world.holder = -1;
        actor.at = mistake_ == Mistake::kNoLook ? At::kResting : At::kLooking;
        break;
      case At::kLooking:
        actor.at = world.missed ? At::kChecking : At::kResting;
        if (mistake_ == Mistake::kClearsAfterRelease) world.missed = false;
        break;
      case At::kChecking:
        actor.seen = world.state;
        actor.at = held ? At::kResting : At::kRearming;
        break;
      case At::kRearming:
        mod(world, actor.seen);
        actor.at = At::kLookingAgain;
        break;
      case At::kLookingAgain:
        if (held) {
          actor.at = mistake_ == Mistake::kRearmTellsNoHolder ? At::kResting : At::kTellingHolder;
        } else {
          actor.at = world.state == actor.seen ? At::kResting : At::kChecking;
        }
        break;
      case At::kTellingHolder:
        world.missed = true;
        actor.at = At::kLookingOnce;
        break;
      case At::kLookingOnce:
        actor.at = held || world.state == actor.seen ? At::kResting : At::kChecking;
        break;
    }
    if (actor.at == At::kResting) actor.seen = kNone;
    return true;
  }

  std::size_t workers_;
  Mistake mistake_;
  std::set<World> seen_;
};

TEST(RearmModel, LosesNoWakeUpInAnyOrder) {
  struct Case {
    std::size_t workers;
    int bytes, sweeps, deaths;
  };
  for (const Case& c : {Case{1, 2, 1, 1}, Case{2, 2, 1, 0}, Case{2, 1, 1, 1}, Case{3, 2, 0, 0}}) {
    Search search(c.workers, Mistake::kNone);
    EXPECT_FALSE(search.loses(c.bytes, c.sweeps, c.deaths)) << c.workers << " workers";
    EXPECT_GT(search.states(), 100U);
  }
}

TEST(RearmModel, FindsEachMistake) {
  for (const Mistake mistake :
       {Mistake::kNobodyTells, Mistake::kTellsHoldersOnly, Mistake::kNoSecondTry, Mistake::kNoLook,
        Mistake::kClearsAfterRelease, Mistake::kRearmTellsNoHolder, Mistake::kNoTellingOfDeaths})
    EXPECT_TRUE(Search(2, mistake).loses(2, 1, 0) || Search(2, mistake).loses(2, 0, 1) ||
                Search(3, mistake).loses(2, 0, 0))
        << static_cast<int>(mistake);
}

}  // namespace
}  // namespace baton
