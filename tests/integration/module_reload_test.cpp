// New code of a module under load, and code that cannot be used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "sdk/baton/abi.h"
#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
#include "tests/support/server.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string config_of(const std::string& file, const std::string& options = "") {
  return "[server]\nworkers = 2\n[[site]]\n" + module_route("/", file, options);
}

// As cp(1) does it: the same file, other bytes.
void overwrite(const std::string& file, const std::string& with) {
  const std::ifstream from(with, std::ios::binary);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << from.rdbuf();
}

// Clients that ask without pause and count what goes wrong.
class Load {
 public:
  Load(const Server& server, const std::string& target) {
    for (int t = 0; t < 2; ++t) {
      threads_.emplace_back([this, &server, target] {
        try {
          std::vector<Client> clients;
          for (int i = 0; i < 4; ++i) clients.push_back(server.connect());
          while (!over_) {
            for (Client& client : clients) {
              const Response response = client.get(target);
              if (response.status != 200) ++wrong_;
              ++served_;
            }
          }
        } catch (const std::exception& error) {
          ++wrong_;
          ADD_FAILURE() << error.what();
        }
      });
    }
    await_more();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    EXPECT_EQ(wrong_.load(), 0U);
  }
  void await_more() {
    const std::size_t before = served_;
    EXPECT_TRUE(wait_until([&] { return served_ > before + 200 || wrong_ > 0; }));
  }

 private:
  std::atomic<bool> over_{false};
  std::atomic<std::size_t> wrong_{0};
  std::atomic<std::size_t> served_{0};
  std::vector<std::thread> threads_;
};

// Asks until each worker has answered, on one connection.
std::set<std::string> versions_of_all_workers(const Server& server) {
  std::set<std::string> versions;
  const std::vector<pid_t> workers = server.workers();
  for (const pid_t only : workers) {
    std::vector<std::unique_ptr<Stopped>> stopped;
    for (const pid_t worker : workers) {
      if (worker != only) stopped.push_back(std::make_unique<Stopped>(worker));
    }
    Client client = server.connect();
    versions.insert(client.get("/version").body);
  }
  return versions;
}

// Kills all of them and waits for those that come in their place.
void replace_workers(const Server& server) {
  const std::vector<pid_t> killed = server.workers();
  for (const pid_t worker : killed) ::kill(worker, SIGKILL);
  ASSERT_TRUE(wait_until([&] {
    const std::vector<pid_t> now = server.workers();
    return now.size() == killed.size() &&
           std::find_first_of(now.begin(), now.end(), killed.begin(), killed.end()) == now.end();
  }));
}

class ModuleReload : public testing::Test {
 protected:
  ModuleReload() { std::filesystem::copy_file(module_file("version_one"), file_); }

  const SanitizersLeave the_crashes_alone_;
  TempDir folder_;
  std::string file_ = (folder_.path() / "app.so").string();
};

TEST_F(ModuleReload, NewCodeInPlaceOfTheOldUnderLoad) {
  const Server server(folder_, config_of(file_));
  {
    Load load(server, "/version");
    for (int round = 0; round < 6; ++round) {
      const bool two = round % 2 == 0;
      overwrite(file_, module_file(two ? "version_two" : "version_one"));
      load.await_more();
      const std::string old = two ? "one" : "two";
      EXPECT_EQ(server.connect().get("/version").body, old);
      const Finished done = server.ctl({"reload"});
      EXPECT_EQ(done.status, 0) << done.err;
      EXPECT_EQ(server.connect().get("/version").body, two ? "two" : "one");
      load.await_more();
    }
  }
  expect_no_worker_died(server);
}

TEST_F(ModuleReload, AWorkerThatIsReplacedRunsTheCodeOfItsGeneration) {
  const Server server(folder_, config_of(file_));
  overwrite(file_, module_file("version_two"));
  replace_workers(server);
  EXPECT_EQ(versions_of_all_workers(server), std::set<std::string>{"one"});
  std::filesystem::remove(file_);
  replace_workers(server);
  EXPECT_EQ(versions_of_all_workers(server), std::set<std::string>{"one"}) << "even without the file";
  std::filesystem::copy_file(module_file("version_two"), file_);
  EXPECT_EQ(server.ctl({"reload"}).status, 0);
  EXPECT_EQ(versions_of_all_workers(server), std::set<std::string>{"two"});
}

TEST_F(ModuleReload, AnUpgradeOfTheServerUnderLoad) {
  const Server server(folder_, config_of(file_));
  {
    Load load(server, "/version");
    overwrite(file_, module_file("version_two"));
    const Finished done = server.ctl({"upgrade"});
    EXPECT_EQ(done.status, 0) << done.err;
    load.await_more();
  }
  EXPECT_EQ(server.connect().get("/version").body, "two");
}

struct Fault {
  const char* name;
  const char* file;     // a test module
  const char* options;  // of its route
  std::vector<std::string> told;
};

const std::vector<Fault>& faults() {
  const std::string major = std::to_string(BATON_ABI_MAJOR) + '.';
  const std::string own = "this server has " + major + std::to_string(BATON_ABI_MINOR) + ':';
  const std::string newer = "compiled for version " + major + std::to_string(BATON_ABI_MINOR + 1) + ' ';
  const std::string other = "compiled for version " + std::to_string(BATON_ABI_MAJOR + 1) + ".3 ";
  static const std::vector<Fault> all{
      {"OtherMajor", "other_major", "", {other, own}},
      {"NewerMinor", "newer_minor", "", {newer, own}},
      {"NoEntry", "no_entry", "", {"does not export baton_module_entry()"}},
      {"UndefinedSymbol",
       "undefined_symbol",
       "",
       {"cannot be loaded: undefined symbol: baton_test::nobody_has_this(std::",
        "(_ZN10baton_test15nobody_has_this"}},
      {"ThrowsAtLoad",
       "throws_at_load",
       "",
       {"an exception leaves a static initialiser: no connection while loading"}},
      {"ThrowsAnythingAtLoad",
       "throws_anything_at_load",
       "",
       {"an exception leaves a static initialiser, of type odd::Thrown"}},
      {"LoadCrashes", "crashes_at_load", "load-crashes", {"SIGABRT"}},
      {"SetupThrows", "faulty", "setup-throws", {"an exception leaves its setup: thrown by setup"}},
      {"SetupFails", "faulty", "setup-fails", {"the setup has its reasons"}},
      {"SetupFailsSilently", "faulty", "setup-fails-silently", {"its setup fails"}},
      {"SetupCrashes", "faulty", "setup-crashes", {"SIGSEGV"}},
      {"SetupExits", "faulty", "setup-exits", {"exited with status 0 before it was ready"}},
      {"StartFails", "faulty", "start-fails", {"no database today"}},
      {"StartFailsSilently", "faulty", "start-fails-silently", {"its on_worker_start fails"}},
      {"StartThrows",
       "faulty",
       "start-throws",
       {"an exception leaves its on_worker_start: thrown by on_worker_start"}},
      {"StartCrashes", "faulty", "start-crashes", {"SIGABRT"}},
      {"NoRoutes", "faulty", "no-routes", {"it has no handlers"}},
      {"BadMethod", "faulty", "method", {"'BREW' is not a method"}},
      {"BadPattern", "faulty", "pattern", {"'no-slash' does not begin with '/'"}},
      {"Twice", "faulty", "twice", {"the pattern '/x' has a handler for this method already"}},
      {"BadTimeout", "faulty", "timeout", {"'/slow': timeout is not in 0..24h"}},
  };
  return all;
}

std::string options_of(const Fault& fault) {
  return *fault.options == '\0' ? "" : std::string("config = { fault = \"") + fault.options + "\" }";
}

class ModuleFault : public testing::TestWithParam<Fault> {
  const SanitizersLeave the_crashes_alone_;
};

TEST_P(ModuleFault, IsRefusedByAReloadAndTheOldCodeGoesOn) {
  const TempDir folder;
  const std::string good = config_of(module_file("version_one"));
  const Server server(folder, good);
  {
    Load load(server, "/version");
    const Finished done = server.reload(config_of(module_file(GetParam().file), options_of(GetParam())));
    EXPECT_EQ(done.status, 1);
    for (const std::string& told : GetParam().told) EXPECT_THAT(done.out + done.err, HasSubstr(told));
    EXPECT_THAT(done.out + done.err, HasSubstr(module_file(GetParam().file))) << "whichever it is";
    load.await_more();
  }
  EXPECT_EQ(server.header().generation.load(), 1U);
  EXPECT_EQ(server.connect().get("/version").body, "one");
  EXPECT_EQ(server.reload(good).status, 0) << "and the next reload is as good as any";
}

bool begins(const char* text, std::string_view with) {
  return std::string_view(text).starts_with(with);
}

// Which loads and sets up, and starts nothing.
TEST_P(ModuleFault, IsToldByACheckOfTheConfiguration) {
  const TempDir folder;
  const std::string file =
      folder.write("baton.toml", config_of(module_file(GetParam().file), options_of(GetParam())) +
                                     "[[listen]]\naddress = \"127.0.0.1:0\"\n");
  const Finished check = run_program({baton_binary(), "-t", "-c", file});
  if (begins(GetParam().options, "start-")) {
    EXPECT_EQ(check.status, 0) << check.err;
    return;
  }
  EXPECT_NE(check.status, 0);
  EXPECT_THAT(check.err, HasSubstr(module_file(GetParam().file)));
  if (begins(GetParam().options, "setup-exits")) {
    EXPECT_THAT(check.err, HasSubstr("ends with status 0"));
    return;
  }
  for (const std::string& told : GetParam().told) EXPECT_THAT(check.err, HasSubstr(told));
}

// What crashes is tried again: that may have another reason.
class ModuleFaultThatSaysWhy : public ModuleFault {};

TEST_P(ModuleFaultThatSaysWhy, KeepsTheServerFromStarting) {
  const TempDir folder;
  const std::string file =
      folder.write("baton.toml", config_of(module_file(GetParam().file), options_of(GetParam())) +
                                     "[[listen]]\naddress = \"127.0.0.1:0\"\n");
  const Finished start = run_program({baton_binary(), "-c", file});
  EXPECT_NE(start.status, 0);
  for (const std::string& told : GetParam().told) EXPECT_THAT(start.err, HasSubstr(told));
  EXPECT_THAT(start.err, HasSubstr(module_file(GetParam().file)));
}

INSTANTIATE_TEST_SUITE_P(Each, ModuleFault, testing::ValuesIn(faults()),
                         [](const auto& each) { return std::string(each.param.name); });
INSTANTIATE_TEST_SUITE_P(Each, ModuleFaultThatSaysWhy, testing::ValuesIn([] {
                           std::vector<Fault> speaking = faults();
                           std::erase_if(speaking, [](const Fault& fault) {
                             const std::string_view options = fault.options;
                             return options.ends_with("crashes") || options.ends_with("exits");
                           });
                           return speaking;
                         }()),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(ModuleReload, WhatIsNoSharedObjectIsRefused) {
  const Server server(folder_, config_of(file_));
  for (const std::string& text : {std::string(), std::string("#!/bin/sh\n"), std::string(5'000, 'x')}) {
    overwrite(file_, folder_.write("text", text));
    const Finished done = server.ctl({"reload"});
    EXPECT_EQ(done.status, 1);
    EXPECT_THAT(done.err + done.out, AllOf(HasSubstr(file_), HasSubstr("not a shared object")));
  }
  std::filesystem::remove(file_);
  const Finished done = server.ctl({"reload"});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err + done.out, HasSubstr("does not exist"));
  EXPECT_EQ(server.connect().get("/version").body, "one");
}

TEST_F(ModuleReload, ACutFileIsRefusedWithoutHarm) {
  const Server server(folder_, config_of(file_));
  for (const std::uintmax_t size : {5'000U, 1'000U, 100U}) {  // within what is loaded, and within its head
    std::filesystem::resize_file(file_, size);
    EXPECT_EQ(server.ctl({"reload"}).status, 1) << size;
    EXPECT_EQ(server.connect().get("/version").body, "one");
  }
  overwrite(file_, module_file("version_two"));
  EXPECT_EQ(server.ctl({"reload"}).status, 0);
  EXPECT_EQ(server.connect().get("/version").body, "two");
}

// It waits as long as a start may take, and the old code serves meanwhile.
TEST_F(ModuleReload, AStartThatHangsIsGivenUp) {
  const Server server(folder_, config_of(file_));
  Load load(server, "/version");
  const Finished done =
      server.reload(config_of(module_file("faulty"), "config = { fault = \"start-hangs\" }"));
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err + done.out, HasSubstr("did not become ready within 30s"));
  EXPECT_GE(counted(folder_, "hangs"), 1U);
  load.await_more();
}

}  // namespace
}  // namespace baton::test
