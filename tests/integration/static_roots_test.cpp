// Roots whose path comes to lead to another folder while they are served.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/integration/shared_server.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Roots : public ::testing::Test {
 protected:
  Roots() {
    write_release("1");
    write_release("2");
    point("current", "releases/1");
  }

  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }

  // An index, a file that is kept in memory, one that is not, and a folder without an index.
  void write_release(const std::string& name) const {
    folder_.write("releases/" + name + "/site/index.html", "index " + name);
    folder_.write("releases/" + name + "/site/small", "small " + name);
    folder_.write("releases/" + name + "/site/large", large(name));
    folder_.write("releases/" + name + "/site/list/" + name, "");
  }
  [[nodiscard]] static std::string large(const std::string& name) {
    return name + noise(20'000, static_cast<unsigned>(name[0]));
  }

  // As atomic deployments do: ln -s to another name, then rename.
  void point(const std::string& link, const std::string& target) const {
    fs::create_directory_symlink(target, path(link + ".new"));
    fs::rename(path(link + ".new"), path(link));
  }

  void serve(const std::string& root, const std::string& settings = "") {
    server_ = std::make_unique<Server>(
        folder_, static_config(root, ", precompressed = true, listing = true", settings));
  }
  [[nodiscard]] Response get(const std::string& target) const { return server_->connect().get(target); }

  void expect_release(const std::string& name) const {
    EXPECT_TRUE(wait_until([&] { return get("/small").body == "small " + name; })) << server_->log();
    // From the first new answer on there is no old one, of whatever kind and from whichever worker.
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(get("/small").body, "small " + name);
      EXPECT_EQ(get("/").body, "index " + name);
      EXPECT_TRUE(get("/large").body == large(name));
      EXPECT_THAT(get("/list/").body, HasSubstr("<a href=\"./" + name + "\""));
    }
  }

  TempDir folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(Roots, ALinkThatIsSwitchedIsFollowed) {
  point("root", "releases/1/site");
  serve("root");
  expect_release("1");
  point("root", "releases/2/site");
  expect_release("2");
  point("root", "releases/1/site");
  expect_release("1");
  EXPECT_THAT(server_->log(), HasSubstr("the root " + path("root").string() + " is another folder now"));
}

TEST_F(Roots, ALinkAboveTheRootIsFollowed) {
  serve("current/site");
  expect_release("1");
  point("current", "releases/2");
  expect_release("2");
}

TEST_F(Roots, AFolderThatWasMadeAnewIsFound) {
  for (const bool renamed : {false, true}) {
    fs::create_directories(path("tree"));
    fs::copy(path("releases/1/site"), path("tree/site"), fs::copy_options::recursive);
    serve("tree/site");
    expect_release("1");
    if (renamed) {
      fs::rename(path("tree"), path("old"));
    } else {
      fs::remove_all(path("tree"));
    }
    fs::create_directories(path("tree"));
    fs::copy(path("releases/2/site"), path("tree/site"), fs::copy_options::recursive);
    expect_release("2");
    server_.reset();
    fs::remove_all(path("tree"));
  }
}

TEST_F(Roots, WhatWasAbsentInTheOldTreeIsFoundInTheNewOne) {
  folder_.write("releases/2/site/small.gz", "compressed");
  folder_.write("releases/2/site/list/index.html", "an index");
  serve("current/site");
  const auto coding = [&] {
    return server_->connect().get("/small", "Accept-Encoding: gzip\r\n").field("content-encoding");
  };
  EXPECT_EQ(coding(), "");
  EXPECT_THAT(get("/list/").body, Not(HasSubstr("an index")));
  point("current", "releases/2");
  ASSERT_TRUE(wait_until([&] { return coding() == "gzip"; }));
  EXPECT_EQ(get("/list/").body, "an index");
  point("current", "releases/1");
  ASSERT_TRUE(wait_until([&] { return coding().empty(); }));
  EXPECT_THAT(get("/list/").body, Not(HasSubstr("an index")));
}

TEST_F(Roots, OneThatIsGoneIsNotFoundUntilItIsBack) {
  serve("current/site");
  expect_release("1");
  fs::remove(path("current"));
  EXPECT_TRUE(wait_until([&] { return get("/small").status == 404; }));
  EXPECT_EQ(get("/").status, 404);
  EXPECT_EQ(get("/large").status, 404);
  EXPECT_EQ(get("/list/").status, 404);
  folder_.write("current", "a file");  // no better
  EXPECT_EQ(get("/small").status, 404);
  // A worker that is started meanwhile serves what else there is.
  const std::vector<pid_t> before = server_->workers();
  for (const pid_t worker : before) ::kill(worker, SIGKILL);
  EXPECT_TRUE(wait_until([&] {
    const std::vector<pid_t> now = server_->workers();
    return now.size() == before.size() && now != before;
  })) << server_->log();
  EXPECT_EQ(get("/small").status, 404);
  fs::remove(path("current"));
  point("current", "releases/2");
  expect_release("2");
  EXPECT_THAT(server_->log(), HasSubstr("is gone"));
  EXPECT_THAT(server_->log(), HasSubstr("is there again"));
}

TEST_F(Roots, NothingOutsideTheNewTreeIsReached) {
  folder_.write("secret", "secret");
  fs::create_symlink("../../../secret", path("releases/2/site/out"));
  fs::create_symlink(path("secret"), path("releases/2/site/absolute"));
  serve("current/site");
  point("current", "releases/2");
  expect_release("2");
  for (const char* target : {"/out", "/absolute", "/list/../../secret"})
    EXPECT_THAT(get(target).body, Not(HasSubstr("secret\n"))) << target;
  EXPECT_EQ(get("/out").status, 404);
  EXPECT_EQ(get("/absolute").status, 404);
}

TEST_F(Roots, ADownloadThatHasBegunKeepsItsFile) {
  const std::string old = noise(20'000'000, 1);
  folder_.write("releases/1/site/big", old);
  folder_.write("releases/2/site/big", "new");
  serve("current/site");
  Client client = server_->connect();
  client.receive_little();
  client.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return server_->connections_in(SlotState::kArmedWrite) == 1; }));
  point("current", "releases/2");
  fs::remove_all(path("releases/1"));
  EXPECT_TRUE(wait_until([&] { return get("/big").body == "new"; }));
  EXPECT_TRUE(client.receive().body == old);
}

TEST_F(Roots, RoutesWithTheSameRootAndOthersAreSwitchedEachByItself) {
  server_ = std::make_unique<Server>(folder_,
                                     site_config({"path = \"/a\"\nstatic = { root = \"current/site\" }",
                                                  "path = \"/b\"\nstatic = { root = \"current/site\" }",
                                                  "path = \"/c\"\nstatic = { root = \"releases/1/site\" }"}));
  for (const char* target : {"/a/small", "/b/small", "/c/small"}) EXPECT_EQ(get(target).body, "small 1");
  point("current", "releases/2");
  EXPECT_TRUE(wait_until([&] { return get("/a/small").body == "small 2"; }));
  EXPECT_EQ(get("/b/small").body, "small 2");
  EXPECT_EQ(get("/c/small").body, "small 1");
}

TEST_F(Roots, TheOldFoldersAndFilesAreClosed) {
  serve("current/site");
  const auto old_open = [&](const std::string& release) {
    std::size_t open = 0;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(server_->pid()) + "/fd")) {
      std::error_code gone;
      const std::string target = fs::read_symlink(entry.path(), gone).string();
      if (target.find("/releases/" + release + "/") != std::string::npos) ++open;
    }
    return open;
  };
  for (const char* release : {"1", "2", "1", "2"}) {
    point("current", std::string("releases/") + release);
    expect_release(release);
    EXPECT_TRUE(wait_until([&] { return old_open(*release == '1' ? "2" : "1") == 0; })) << server_->log();
  }
}

TEST_F(Roots, ReloadsAndUpgradesGoOnWithTheNewFolder) {
  serve("current/site");
  expect_release("1");
  point("current", "releases/2");
  expect_release("2");
  EXPECT_EQ(server_->ctl({"reload"}).status, 0);
  expect_release("2");
  EXPECT_EQ(server_->ctl({"upgrade"}).status, 0);
  expect_release("2");
  point("current", "releases/1");
  expect_release("1");
  EXPECT_EQ(server_->ctl({"upgrade"}).status, 0);
  point("current", "releases/2");
  expect_release("2");
}

TEST_F(Roots, OneThatCannotBeLookedAtIsServedAsItIs) {
  fs::create_directories(path("closed"));
  point("closed/current", path("releases/1").string());
  serve("closed/current/site", ::geteuid() == 0 ? "user = \"nobody\"" : "");
  const std::string complaint =
      "cannot look at the root " + path("closed/current/site").string() + ": Permission denied";
  fs::permissions(path("closed"), fs::perms(0));
  EXPECT_TRUE(wait_until([&] {
    EXPECT_EQ(get("/small").body, "small 1");
    return server_->log().find(complaint) != std::string::npos;
  })) << server_->log();
  fs::permissions(path("closed"), fs::perms(0755));
  point("closed/current", path("releases/2").string());
  expect_release("2");
}

// Each release is one version in all its files; what a client sees never goes back, and is never mixed.
TEST_F(Roots, WhileTheLinkIsSwitchedAgainAndAgainEveryAnswerIsWhole) {
  constexpr int kSwitches = 200;
  const auto name_of = [](int version) { return "v" + std::to_string(version); };
  const auto content = [](int version, std::size_t size) {
    return std::to_string(version) + ":" + std::string(size, static_cast<char>('a' + version % 26));
  };
  const auto deploy = [&](int version) {
    folder_.write(name_of(version) + "/small", content(version, 100));
    folder_.write(name_of(version) + "/large", content(version, 30'000));
    point("live", name_of(version));
  };
  deploy(0);
  server_ = std::make_unique<Server>(folder_, static_config("live"));
  std::vector<std::thread> readers;
  for (const auto& [target, size] :
       {std::pair{"/small", std::size_t{100}}, {"/large", std::size_t{30'000}}}) {
    readers.emplace_back([&, target = target, size = size] {
      Client client = server_->connect();
      int newest = 0;
      EXPECT_TRUE(wait_until([&] {
        const Response response = client.get(target);
        EXPECT_EQ(response.status, 200);
        const int version = std::atoi(response.body.c_str());
        EXPECT_TRUE(response.body == content(version, size)) << version;
        EXPECT_GE(version, newest);
        newest = std::max(newest, version);
        return version == kSwitches;
      }));
    });
  }
  for (int version = 1; version <= kSwitches; ++version) {
    deploy(version);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(get("/small").status, 200);
  }
  for (std::thread& reader : readers) reader.join();
  expect_no_worker_died(*server_);
}

TEST_F(Roots, FilesThatAHandlerSendsAreFoundByTheirPathEachTime) {
  server_ = std::make_unique<Server>(
      folder_, "[server]\nworkers = 2\n[[site]]\n" + module_route("/m", module_file("good")));
  const std::string target = "/m/file?" + path("current/site/small").string();
  EXPECT_EQ(get(target).body, "small 1");
  point("current", "releases/2");
  EXPECT_EQ(get(target).body, "small 2");
}

}  // namespace

}  // namespace baton::test
