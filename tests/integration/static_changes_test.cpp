// Files that change while they are served, and more files than the open-file table holds.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "tests/integration/shared_server.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

namespace fs = std::filesystem;

class Changes : public ::testing::Test {
 protected:
  Changes() {
    folder_.write("site/start", "");
    server_ = std::make_unique<Server>(folder_, static_config("site", ", precompressed = true"));
  }

  [[nodiscard]] std::string site(const std::string& name) const {
    return (folder_.path() / "site" / name).string();
  }
  [[nodiscard]] std::string body(const std::string& target) const {
    return server_->connect().get(target).body;
  }
  [[nodiscard]] int status(const std::string& target) const { return server_->connect().get(target).status; }

  TempDir folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(Changes, ReplacedFileIsServedNew) {
  for (const std::size_t size : {50U, 50'000U}) {  // in memory, and from its descriptor
    const std::string old = noise(size, 1);
    const std::string fresh = noise(size, 2);
    folder_.write("site/a", old);
    EXPECT_TRUE(wait_until([&] { return body("/a") == old; }));
    const std::string tag = server_->connect().get("/a").field("etag");
    folder_.write("site/a", fresh);
    EXPECT_TRUE(wait_until([&] {
      const std::string now = body("/a");
      EXPECT_TRUE(now == old || now == fresh);
      return now == fresh;
    }));
    EXPECT_EQ(server_->connect().get("/a", "If-None-Match: " + tag + "\r\n").status, 200);
  }
}

TEST_F(Changes, EveryAnswerIsOneVersion) {
  // Versions differ in length and content; a mixture would match none of them.
  const auto version = [](int i) {
    return std::string(static_cast<std::size_t>(1'000 + i), static_cast<char>('a' + i));
  };
  folder_.write("site/a", version(0));
  Client client = server_->connect();
  int latest = 0;
  EXPECT_TRUE(wait_until([&] {
    latest = std::min(latest + 1, 25);
    folder_.write("site/a", version(latest));
    const std::string now = client.get("/a").body;
    EXPECT_FALSE(now.empty());
    EXPECT_EQ(now, version(now.empty() ? 0 : now[0] - 'a'));
    return now == version(25);
  }));
}

TEST_F(Changes, DeletedFileIsGone) {
  folder_.write("site/a", "a");
  folder_.write("site/dir/b", "b");
  EXPECT_EQ(body("/a"), "a");
  EXPECT_EQ(body("/dir/b"), "b");
  fs::remove(site("a"));
  fs::remove_all(site("dir"));
  EXPECT_TRUE(wait_until([&] { return status("/a") == 404; }));
  EXPECT_TRUE(wait_until([&] { return status("/dir/b") == 404 && status("/dir/") == 404; }));
}

TEST_F(Changes, NewFileIsServedAtOnce) {
  EXPECT_EQ(status("/later"), 404);
  folder_.write("site/later", "here");
  EXPECT_EQ(body("/later"), "here");
}

TEST_F(Changes, FileBecomesFolder) {
  folder_.write("site/a", "file");
  EXPECT_EQ(body("/a"), "file");
  fs::remove(site("a"));
  folder_.write("site/a/index.html", "folder");
  EXPECT_TRUE(wait_until([&] { return status("/a") == 301 && body("/a/") == "folder"; }));
  fs::remove_all(site("a"));
  folder_.write("site/a", "again");
  EXPECT_TRUE(wait_until([&] { return body("/a") == "again"; }));
}

TEST_F(Changes, CompressedSiblingAppears) {
  const auto coding = [&](const std::string& name) {
    return server_->connect().get(name, "Accept-Encoding: br, gzip\r\n").field("content-encoding");
  };
  folder_.write("site/a.js", "plain");
  EXPECT_EQ(coding("/a.js"), "");
  folder_.write("site/a.js.gz", "gzip");
  EXPECT_TRUE(wait_until([&] { return coding("/a.js") == "gzip"; }));
  folder_.write("site/a.js.br", "brotli");
  EXPECT_TRUE(wait_until([&] { return coding("/a.js") == "br"; }));
  fs::remove(site("a.js.br"));
  EXPECT_TRUE(wait_until([&] { return coding("/a.js") == "gzip"; }));
}

TEST_F(Changes, ReplacedDuringADownloadKeepsItsBytes) {
  const std::string old = noise(20'000'000, 1);
  folder_.write("site/big", old);
  Client client = server_->connect();
  client.receive_little();
  client.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return server_->connections_in(SlotState::kArmedWrite) == 1; }));
  folder_.write("site/big", "new");
  EXPECT_TRUE(wait_until([&] { return body("/big") == "new"; }));
  EXPECT_TRUE(client.receive().body == old);
}

TEST_F(Changes, TruncatedDuringADownloadEndsTheConnection) {
  folder_.write("site/big", noise(20'000'000, 1));
  Client client = server_->connect();
  client.receive_little();
  client.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return server_->connections_in(SlotState::kArmedWrite) == 1; }));
  ASSERT_EQ(::truncate(site("big").c_str(), 100), 0);
  const std::string received = client.read_to_end();
  EXPECT_NE(received.find("Content-Length: 20000000\r\n"), std::string::npos);
  EXPECT_LT(received.size(), 20'000'000U);
  EXPECT_TRUE(wait_until([&] { return server_->connections_in(SlotState::kArmedWrite) == 0; }));
  EXPECT_EQ(server_->header().state.load(), MasterState::kServing);
  EXPECT_TRUE(wait_until([&] {
    try {
      return body("/big").size() == 100;
    } catch (const std::runtime_error&) {
      return false;  // still taken for the long one: the answer ends early, and says so by its length
    }
  }));
}

TEST_F(Changes, MoreFilesThanTheTableHolds) {
  constexpr int kFiles = 3'000;
  static_assert(kFiles > FileTable::kEntries);
  // Every third is too large to be kept in memory.
  const auto content = [](int i) { return std::to_string(i) + std::string(i % 3 == 0 ? 9'000 : 40, 'x'); };
  for (int i = 0; i < kFiles; ++i) folder_.write("site/many/" + std::to_string(i), content(i));
  Client first = server_->connect();
  Client second = server_->connect();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kFiles; ++i) {
      Client& client = i % 2 == round % 2 ? first : second;
      const Response response = client.get("/many/" + std::to_string(i));
      ASSERT_EQ(response.status, 200) << i;
      ASSERT_TRUE(response.body == content(i)) << i;
    }
  }
}

}  // namespace

}  // namespace baton::test
