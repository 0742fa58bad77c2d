// A module that cannot be used is found before anything is touched: by baton -t, and when an upgrade is asked
// for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/modules.h"
#include "tests/support/server.h"

namespace baton::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kListen[] = "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n";

Finished check(const TempDir& folder, const std::string& routes) {
  return run_program({baton_binary(), "-t", "-c", folder.write("baton.toml", kListen + routes)});
}

TEST(ModuleCheck, BatonTLoadsTheModules) {
  const TempDir folder;
  const Finished good = check(folder, module_route("/", module_file("crasher")));
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.err, IsEmpty());

  const std::string faulty = module_file("faulty_setup");
  const Finished bad = check(folder, module_route("/a/", faulty, "config = { do = \"fail\" }") +
                                         module_route("/b/", module_file("crasher")) +
                                         module_route("/c/", faulty, "config = { do = \"exit\" }"));
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.out, IsEmpty());
  EXPECT_THAT(bad.err,
              HasSubstr("baton.toml: route /a/: the module " + faulty + ": no table named after a cat\n"));
  EXPECT_THAT(bad.err, HasSubstr("route /c/: the module " + faulty + ": the process that loads it"));
}

TEST(ModuleCheck, WhatModulesPrintIsNoOutputOfBatonT) {
  const TempDir folder;
  const Finished done =
      check(folder, module_route("/", module_file("faulty_setup"), "config = { do = \"print\" }"));
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.err, HasSubstr("what a module prints"));
  EXPECT_THAT(done.out, ::testing::Not(HasSubstr("what a module prints")));
}

TEST(ModuleCheck, AnUpgradeThatTheModulesCannotFollowIsRefused) {
  const TempDir folder;
  const auto install = [&](const std::string& name) {
    std::filesystem::remove(folder.path() / "m.so");
    std::filesystem::copy_file(module_file(name), folder.path() / "m.so");
  };
  install("crasher");
  const Server server(folder, "[[site]]\n" + module_route("/", "m.so"));
  Client client = server.connect();
  EXPECT_EQ(client.get("/").body, "crasher");
  const std::vector<pid_t> workers = server.workers();

  install("future_abi");
  const Finished refused = server.ctl({"upgrade"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.out + refused.err,
              HasSubstr("it was compiled for version 2.7 of the module interface"));
  EXPECT_EQ(server.workers(), workers) << "nothing has been touched";
  EXPECT_EQ(client.get("/").body, "crasher");

  install("crasher");
  const Finished done = server.ctl({"upgrade"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(client.get("/").body, "crasher");
}

}  // namespace
}  // namespace baton::test
