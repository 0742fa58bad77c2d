// What a worker loads is the generation's own copy of each module.
#include <gtest/gtest.h>

#include "tests/support/modules.h"
#include "tests/support/server.h"

namespace baton::test {
namespace {

TEST(ModuleImages, EachRouteHasItsOwnModule) {
  const TempDir folder;
  const Server server(folder, "[[site]]\n" + module_route("/a/", module_file("crasher")) +
                                  module_route("/b/", module_file("faulty_setup")) +
                                  module_route("/c/", module_file("crasher")));
  Client client = server.connect();
  EXPECT_EQ(client.get("/a/").body, "crasher");
  EXPECT_EQ(client.get("/b/").body, "faulty_setup");
  EXPECT_EQ(client.get("/c/").body, "crasher");
}

}  // namespace
}  // namespace baton::test
