// Listings of large folders: made once for all workers, kept while the folder does not change.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/integration/shared_server.h"
#include "tests/support/accounts.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFiles = 300;
constexpr const char* kJson = "Accept: application/json\r\n";

class Listings : public ::testing::Test {
 protected:
  Listings() {
    for (int i = 0; i < kFiles; ++i) folder_.write("site/large/" + std::to_string(i) + ".txt", "12345");
    folder_.write("site/few/a.txt", "");
    server_ = std::make_unique<Server>(
        folder_,
        site_config({"path = \"/\"\nstatic = { root = \"site\", listing = true }",
                     "path = \"/other/\"\nstatic = { root = \"site\", listing = true }",
                     "path = \"/inner/large/\"\nstatic = { root = \"site/large\", listing = true }"}));
  }

  // Over a new connection each time, so that either worker has some.
  Response get(const std::string& target, const std::string& fields = kJson) const {
    return server_->connect().get(target, fields);
  }
  json list(const std::string& target = "/large/") const { return json::parse(get(target).body); }
  int kept() const {
    int count = 0;
    for (const int fd : open_descriptors(*server_)) {
      std::error_code error;
      const fs::path link = "/proc/" + std::to_string(server_->pid()) + "/fd/" + std::to_string(fd);
      count += fs::read_symlink(link, error) == "/memfd:baton-listing (deleted)";
    }
    return count;
  }
  // Of those that were replaced the descriptors are closed at the next tick.
  bool keeps(int many) const {
    return wait_until([&] { return kept() == many; });
  }
  std::size_t listed(const std::string& name) const {
    std::size_t size = 0;
    const json page = list();
    for (const json& entry : page.at("entries")) {
      if (entry.at("name") == name) size = entry.value("size", std::size_t{0}) + 1;
    }
    return size;
  }

  TempDir folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(Listings, AreMadeOnceForAllWorkers) {
  const std::string first = get("/large/").body;
  EXPECT_EQ(json::parse(first).at("entries").size(), std::size_t{kFiles});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get("/large/").body, first);
  EXPECT_TRUE(keeps(1));
  expect_no_worker_died(*server_);
}

TEST_F(Listings, OfSmallFoldersAreNotKept) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(list("/few/").at("entries").size(), 1U);
  EXPECT_EQ(kept(), 0);
}

TEST_F(Listings, EachPageIsItsOwn) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(list("/large/").at("path"), "/large/");
    EXPECT_EQ(list("/other/large/").at("path"), "/other/large/") << "the same folder, on another route";
    EXPECT_EQ(list("/inner/large/").at("path"), "/inner/large/");
    EXPECT_NE(get("/large/", "").body.find("<html"), std::string::npos);
  }
  EXPECT_TRUE(keeps(4));
}

TEST_F(Listings, AHeadRequestHasTheirLength) {
  for (int i = 0; i < 2; ++i) {
    Client client = server_->connect();
    const Response head =
        client.exchange("HEAD /large/ HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n", true);
    const Response whole = client.get("/large/", kJson);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.field("content-length"), whole.field("content-length"));
    EXPECT_EQ(whole.field("content-type"), "application/json");
    EXPECT_EQ(whole.field("vary"), "Accept");
  }
}

TEST_F(Listings, WhatHasChangedIsSeen) {
  EXPECT_EQ(listed("new.txt"), 0U);
  folder_.write("site/large/new.txt", "1");
  EXPECT_TRUE(wait_until([&] { return listed("new.txt") != 0; }));
  fs::remove(folder_.path() / "site/large/new.txt");
  EXPECT_TRUE(wait_until([&] { return listed("new.txt") == 0; }));
  EXPECT_EQ(listed("7.txt"), 5U + 1);
  folder_.write("site/large/7.txt", "123456789");  // which leaves no trace in the folder
  EXPECT_TRUE(wait_until([&] { return listed("7.txt") == 9U + 1; }));
  fs::rename(folder_.path() / "site/large", folder_.path() / "away");
  EXPECT_TRUE(wait_until([&] { return get("/large/").status == 404; }));
  fs::create_directory(folder_.path() / "site/large");
  EXPECT_TRUE(wait_until([&] { return get("/large/").status == 200; }));
  EXPECT_EQ(list().at("entries").size(), 0U);
}

TEST_F(Listings, OutliveWorkers) {
  const std::string first = get("/large/").body;
  for (const pid_t worker : server_->workers()) {
    ASSERT_EQ(::kill(worker, SIGKILL), 0);
    EXPECT_EQ(get("/large/").body, first);
  }
  EXPECT_TRUE(keeps(1));
  EXPECT_TRUE(wait_until([&] { return unaccounted_descriptors(*server_).empty(); }));
}

// Whoever reads slowly has the page that was begun: five megabytes, which no socket takes at once.
TEST_F(Listings, AreReadToTheirEndWhateverBecomesOfThem) {
  for (int i = 0; i < 9'000; ++i) folder_.write("site/huge/" + std::to_string(i) + std::string(240, 'n'), "");
  for (const std::string name : {"first", "second"}) {
    const std::string before = get("/huge/", "").body;
    Client slow = server_->connect();
    slow.receive_little();
    slow.send("GET /huge/ HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(wait_until([&] { return count_armed(*server_, Phase::kParked) == 1; }));
    folder_.write("site/huge/" + name, "");
    ASSERT_TRUE(
        wait_until([&] { return get("/huge/", "").body.find("\"./" + name + "\"") != std::string::npos; }));
    EXPECT_TRUE(slow.receive().body == before);
  }
}

}  // namespace
}  // namespace baton::test
