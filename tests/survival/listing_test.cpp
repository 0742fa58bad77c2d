// Deaths while the listing of a large folder is put where all workers find it.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/accounts.h"
#include "tests/support/crash_points.h"
#include "tests/support/observe.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

TEST(ListingDeath, TheNextWorkerMakesIt) {
  const TempDir folder;
  for (int i = 0; i < 200; ++i) folder.write("site/" + std::to_string(i) + ".txt", "");
  CrashPoints points(folder);
  const Server server(folder, static_config("site", ", listing = true"));
  for (const int signal : {SIGKILL, SIGSEGV}) {
    const std::string accept = signal == SIGKILL ? "" : "Accept: application/json\r\n";
    points.kill_at("listing-made", signal);
    Client client = server.connect();
    const Response first = client.get("/", accept);
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(points.hits(), 1);
    points.disarm();
    EXPECT_EQ(client.get("/", accept).body, first.body);
  }
  EXPECT_TRUE(wait_until([&] { return unaccounted_descriptors(server).empty() && slots_add_up(server); }));
}

}  // namespace
}  // namespace baton::test
