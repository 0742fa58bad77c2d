// What a worker loads is the generation's own copy of each module.
#include <gmock/gmock.h>
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

std::string two_modules(const std::string& one, const std::string& two) {
  return "[server]\nworkers = 2\n[[site]]\n" + module_route("/one/", module_file(one)) +
         module_route("/two/", module_file(two)) + module_route("/again/", module_file(one));
}

int count_shared(const std::string& log) {
  int n = 0;
  for (std::size_t at = 0; (at = log.find(" share '", at)) != std::string::npos; ++at) ++n;
  return n;
}

TEST(ModuleImages, BuiltAsDocumentedTheyShareNoVariable) {
  const TempDir folder;
  const Server server(folder, two_modules("keeps_one", "keeps_two"));
  Client client = server.connect();
  EXPECT_EQ(client.get("/one/").body, "1 1 1 ");
  EXPECT_EQ(client.get("/two/").body, "2 2 2 ");
  EXPECT_EQ(client.get("/again/").body, "1 1 1 ");
  EXPECT_EQ(count_shared(server.log()), 0) << server.log();
}

TEST(ModuleImages, WhatTwoShareIsToldOncePerStartAndReload) {
  const TempDir folder;
  const std::string config = two_modules("shares_one", "shares_two");
  const Server server(folder, config);
  EXPECT_EQ(server.connect().get("/two/").status, 200);
  EXPECT_EQ(count_shared(server.log()), 1) << server.log();
  EXPECT_THAT(server.log(), testing::ContainsRegex("the modules .*/shares_one.so and .*/shares_two.so share "
                                                   "'[a-z ]*[a-z_]*::.*' and [0-9]+ more symbols"));
  EXPECT_EQ(server.reload(config).status, 0);
  EXPECT_EQ(count_shared(server.log()), 2) << server.log();
}

TEST(ModuleImages, ACheckOfTheConfigurationTellsItToo) {
  const TempDir folder;
  const std::string listen = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
  const auto check = [&](const std::string& config) {
    const Finished done =
        run_program({baton_binary(), "-t", "-c", folder.write("baton.toml", config + listen)});
    EXPECT_EQ(done.status, 0) << done.err;
    return done.err;
  };
  EXPECT_EQ(count_shared(check(two_modules("shares_one", "shares_two"))), 1);
  EXPECT_EQ(count_shared(check(two_modules("shares_one", "shares_one"))), 0) << "it is one module";
  EXPECT_EQ(count_shared(check(two_modules("keeps_one", "keeps_two"))), 0);
}

}  // namespace
}  // namespace baton::test
