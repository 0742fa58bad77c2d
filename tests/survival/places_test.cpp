// Deaths on the way to a worker that modules may hold, and on the way back from it.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/accounts.h"
#include "tests/support/crash_points.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

// A server for each label: a handler that has run is not what it was before.
class PlaceDeath : public ::testing::Test {
 protected:
  Client call(const std::string& name) {
    Client client = server_.connect();
    client.send("GET /gate/" + name + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client;
  }
  void open(const std::string& name) { folder_.write("open-" + name, ""); }
  bool await_entered(const std::string& name) {
    return wait_until([&] { return counted(folder_, "entered-" + name) > 0; });
  }
  bool await_hit() {
    return wait_until([&] { return points_.hits() == 1; });
  }
  bool await_places(std::uint32_t held, std::size_t waiting) {
    return wait_until([&] {
      ModulePlaces& places = server_.segment().places();
      return places.held.count_held() == held && places.line.count() == waiting && count_waiting() == waiting;
    });
  }
  // The handler that runs now will be, by then.
  bool await_known_as_slow() {
    return wait_until([&] {
      const Scoreboard workers = server_.segment().scoreboard();
      return std::any_of(workers.begin(), workers.end(), [](const WorkerEntry& entry) {
        return entry.flight.handler.load() != FlightRecord::kNoHandler && entry.has_process() &&
               entry.flight.since_ns.load() + 20'000'000 < monotonic_ns();
      });
    });
  }
  std::size_t count_waiting() {
    const ConnectionTable table = server_.segment().connections();
    std::size_t waiting = 0;
    for (int fd = 0; fd <= server_.segment().highest_fd(); ++fd)
      waiting += table.claim(fd).armed() && table.at(fd).deadline_kind == Deadline::kPlace ? 1 : 0;
    return waiting;
  }
  void expect_all_is_as_before() {
    EXPECT_TRUE(await_places(0, 0));
    EXPECT_TRUE(wait_until([&] { return server_.workers().size() == 2 && slots_add_up(server_); }));
  }

  TempDir folder_;
  CrashPoints points_{folder_};
  Server server_{folder_, "[server]\nworkers = 2\n[[site]]\n" + module_route("/", module_file("good"))};
};

class PlaceDeathOnTheWayIn : public PlaceDeath, public ::testing::WithParamInterface<const char*> {};
class PlaceDeathOnTheWayOut : public PlaceDeath, public ::testing::WithParamInterface<const char*> {};

TEST_F(PlaceDeath, WithAPlaceThatItHasJustTaken) {
  points_.kill_at("place-taken", SIGKILL);
  Client slow = call("slow");
  ASSERT_TRUE(await_hit());
  ASSERT_TRUE(await_entered("slow"));
  EXPECT_TRUE(await_places(1, 0));
  open("slow");
  EXPECT_EQ(slow.receive().body, "through");
  expect_all_is_as_before();
}

TEST_P(PlaceDeathOnTheWayIn, LeavesTheRequestInTheLine) {
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  points_.kill_at(GetParam(), SIGKILL);
  Client waits = call("next");
  ASSERT_TRUE(await_hit());
  ASSERT_TRUE(await_places(1, 1));
  EXPECT_EQ(counted(folder_, "entered-next"), 0U);
  open("slow");
  open("next");
  EXPECT_EQ(slow.receive().body, "through");
  EXPECT_EQ(waits.receive().body, "through");
  expect_all_is_as_before();
}

// Of the one that gives its place back, or of the one that takes up who is next.
TEST_P(PlaceDeathOnTheWayOut, LeavesTheOthersTheirTurn) {
  Client slow = call("slow");
  ASSERT_TRUE(await_entered("slow"));
  std::vector<Client> waiting;
  waiting.reserve(3);
  while (waiting.size() < 3) waiting.push_back(call("next"));
  ASSERT_TRUE(await_places(1, 3));
  ASSERT_TRUE(await_known_as_slow());
  points_.kill_at(GetParam(), SIGKILL);
  open("next");
  open("slow");
  for (Client& each : waiting) EXPECT_EQ(each.receive().body, "through");
  EXPECT_EQ(slow.receive().body, "through") << "it may have been begun again";
  EXPECT_TRUE(await_hit());
  expect_all_is_as_before();
}

std::string name_of(const ::testing::TestParamInfo<const char*>& label) {
  std::string name = label.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Each, PlaceDeathOnTheWayIn, ::testing::Values("place-awaited", "place-waits"),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Each, PlaceDeathOnTheWayOut,
                         ::testing::Values("place-given-back", "place-offered", "after-claim", "head-peeked",
                                           "place-taken"),
                         name_of);

}  // namespace
}  // namespace baton::test
