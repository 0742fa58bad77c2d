// The examples, as they are shipped, in the real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/shared_server.h"
#include "tests/support/example.h"
#include "tests/support/observe.h"
#include "tests/support/wait.h"

namespace baton::test {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const char kWantsJson[] = "Accept: application/json\r\n";

class HelloExample : public SharedServer<HelloExample> {
 public:
  static std::string prepare(const TempDir& folder) { return example_config("hello", folder); }
};

TEST_F(HelloExample, AnswersWithTextAndJson) {
  const Response hello = get("/");
  EXPECT_EQ(hello.status, 200);
  EXPECT_EQ(hello.body, "Hello from a module.\n");
  EXPECT_EQ(hello.field("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(get("/hello/M%C3%BCller+Sons%201").body, "Hello M\xc3\xbcller+Sons 1.\n");
  const Response sum = get("/sum?a=20&b=%322");
  EXPECT_EQ(json::parse(sum.body), json({{"a", 20}, {"b", 22}, {"sum", 42}}));
  EXPECT_EQ(sum.field("content-type"), "application/json");
}

TEST_F(HelloExample, HeadIsGetWithoutTheBody) {
  Client client = server_->connect();
  const Response head = client.ask("HEAD", "/hello/you");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("content-length"), "11");
  EXPECT_EQ(client.get("/hello/you").body, "Hello you.\n") << "no body stood between them";
}

TEST_F(HelloExample, OptionsAndOtherMethodsAreAnsweredWithoutTheModule) {
  const Response options = ask("OPTIONS", "/hello/you");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.field("allow"), "GET, HEAD, OPTIONS");
  const Response post = ask("POST", "/hello/you", "", "x");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.field("allow"), "GET, HEAD, OPTIONS");
}

TEST_F(HelloExample, PathsWithoutARouteAre404) {
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(get("/hello").status, 404);
  EXPECT_EQ(get("/hello/a/b").status, 404);
  EXPECT_EQ(get("/countdown/many").status, 404) << "no number";
  EXPECT_EQ(get("/countdown/256").status, 404) << "too large";
}

TEST_F(HelloExample, AnErrorIsWhatTheClientPrefers) {
  const Response page = get("/sum?a=1");
  EXPECT_EQ(page.status, 400);
  EXPECT_THAT(page.body, HasSubstr("a and b are needed"));
  EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
  const Response other = get("/sum?a=x&b=1", kWantsJson);
  EXPECT_EQ(other.status, 400);
  EXPECT_EQ(json::parse(other.body)["detail"], "a is to be a whole number");
}

TEST_F(HelloExample, StreamsLineByLine) {
  Client client = server_->connect();
  client.send("GET /countdown/2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.read_to_end();
  EXPECT_THAT(all, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_THAT(all, EndsWith("\r\n\r\n2\r\n2\n\r\n2\r\n1\n\r\n9\r\nlift-off\n\r\n0\r\n\r\n"));
}

TEST_F(HelloExample, StreamsToOldClientsUntilTheConnectionEnds) {
  Client client = server_->connect();
  client.send("GET /countdown/1 HTTP/1.0\r\n\r\n");
  const std::string all = client.read_to_end();
  EXPECT_THAT(all, Not(HasSubstr("chunked")));
  EXPECT_THAT(all, EndsWith("\r\n\r\n1\nlift-off\n"));
}

TEST_F(HelloExample, AStreamedLineIsWithTheClientWhileTheHandlerGoesOn) {
  Client client = server_->connect();
  client.send("GET /countdown/250 HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string seen;
  while (seen.find("\r\n250\n\r\n") == std::string::npos) {
    const std::string byte = client.read_bytes(1);
    ASSERT_EQ(byte.size(), 1U) << seen;
    seen += byte;
  }
  const auto serving = [&](const WorkerEntry& entry) {
    return entry.state.load() == WorkerState::kReady && entry.flight.phase.load() == FlightPhase::kServing;
  };
  const auto& entries = server_->segment().scoreboard();
  EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), serving)) << "the other 25 seconds are to come";
  client.reset();
  EXPECT_TRUE(wait_until([&] { return std::none_of(entries.begin(), entries.end(), serving); }));
}

class TodoExample : public testing::Test {
 protected:
  static std::string body(const std::string& title) { return json({{"title", title}}).dump(); }

  TempDir folder_;
  Server server_{folder_, example_config("todo", folder_)};
  Client client_ = server_.connect();
};

TEST_F(TodoExample, CreatesReadsChangesAndDeletes) {
  const Response created = client_.ask("POST", "/todos", "", body("buy milk"));
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.field("location"), "/todos/1");
  EXPECT_EQ(json::parse(created.body), json({{"id", 1}, {"title", "buy milk"}, {"done", false}}));
  EXPECT_EQ(json::parse(client_.get("/todos/1").body), json::parse(created.body));

  const Response changed = client_.ask("PATCH", "/todos/1", "", R"({"done": true})");
  EXPECT_EQ(json::parse(changed.body), json({{"id", 1}, {"title", "buy milk"}, {"done", true}}));
  client_.ask("POST", "/todos", "", body("drink it"));
  EXPECT_EQ(json::parse(client_.get("/todos").body).size(), 2U);
  EXPECT_EQ(json::parse(client_.get("/todos?limit=1").body)[0]["title"], "drink it");
  EXPECT_EQ(json::parse(client_.get("/todos?done=true").body)[0]["id"], 1);
  EXPECT_EQ(json::parse(client_.get("/todos?done=false").body)[0]["id"], 2);

  EXPECT_EQ(client_.ask("DELETE", "/todos/1").status, 204);
  EXPECT_EQ(client_.get("/todos/1").status, 404);
}

TEST_F(TodoExample, RefusesWhatIsNoTodo) {
  for (const char* bad : {"", "{", "[]", "{}", R"({"title": ""})", R"({"title": 1})",
                          R"({"title": "x", "id": 1})", R"({"title": "x", "done": true})"}) {
    const Response response = client_.ask("POST", "/todos", kWantsJson, bad);
    EXPECT_TRUE(response.status == 400 || response.status == 422) << bad << " " << response.status;
    EXPECT_FALSE(json::parse(response.body)["detail"].get<std::string>().empty());
  }
  EXPECT_EQ(client_.ask("POST", "/todos", "", body(std::string(501, 'x'))).status, 422);
  EXPECT_EQ(client_.ask("POST", "/todos", "", body(std::string(70'000, 'x'))).status, 413);
  client_ = server_.connect();
  EXPECT_EQ(client_.get("/todos?done=maybe").status, 400);
  EXPECT_EQ(client_.get("/todos?limit=x").status, 400);
  EXPECT_EQ(client_.get("/todos/1").status, 404);
  EXPECT_EQ(client_.ask("DELETE", "/todos/1").status, 404);
  EXPECT_EQ(client_.ask("PATCH", "/todos/1", "", R"({"done": true})").status, 404);
  EXPECT_EQ(client_.ask("PUT", "/todos/1", "", "{}").status, 405);
  EXPECT_EQ(json::parse(client_.get("/todos").body), json::array());
}

TEST_F(TodoExample, TitlesAreDataInEveryLayer) {
  const std::string title = "'); DROP TABLE todo; -- \"<b>\xc3\xa4";
  const Response created = client_.ask("POST", "/todos", "", body(title));
  EXPECT_EQ(json::parse(created.body)["title"], title);
  EXPECT_EQ(json::parse(client_.get("/todos").body)[0]["title"], title);
}

TEST_F(TodoExample, AConfigurationItCannotStartWithIsRefusedAndTheOldOneGoesOn) {
  client_.ask("POST", "/todos", "", body("kept"));
  std::string config = example_config("todo", folder_);
  const std::string key = "db = ";
  config.replace(config.find(key), key.size(), "bd = ");
  Finished reload = server_.reload(config);
  EXPECT_EQ(reload.status, 1);
  EXPECT_THAT(reload.err, HasSubstr("todo.so: config has no \"db\", which is to be a string"));
  config.replace(config.find("bd = "), key.size(), "db = \"/no/such/folder/todo.db\", x = ");
  reload = server_.reload(config);
  EXPECT_EQ(reload.status, 1);
  EXPECT_THAT(reload.err, HasSubstr("/no/such/folder/todo.db: unable to open database file"));
  EXPECT_EQ(json::parse(client_.get("/todos").body)[0]["title"], "kept");
}

// What was answered with 201 is there, whoever died meanwhile.
TEST_F(TodoExample, ManyClientsWriteAtOnceWhileWorkersAreKilled) {
  constexpr int kClients = 6;
  std::atomic<int> finished{0};
  std::vector<std::set<std::int64_t>> created(kClients);
  std::atomic<int> failed{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      Client client = server_.connect();
      for (int n = 0; n < 40; ++n) {
        const Response response = client.ask("POST", "/todos", "", body(std::to_string(n)));
        // A POST whose worker has died is answered with 500, and not begun again.
        if (response.status == 201) {
          created[static_cast<std::size_t>(i)].insert(json::parse(response.body)["id"].get<std::int64_t>());
        } else {
          EXPECT_EQ(response.status, 500) << response.body;
          ++failed;
        }
      }
      ++finished;
    });
  }
  int kills = 0;
  while (finished < kClients) {
    const std::vector<pid_t> workers = server_.workers();
    if (kills < 8 && !workers.empty()) {
      ::kill(workers.front(), SIGKILL);
      ++kills;
      EXPECT_TRUE(wait_until([&] { return gone(workers.front()); }));
    }
    std::this_thread::yield();
  }
  threads.clear();
  EXPECT_LE(failed, kills);
  std::set<std::int64_t> stored;
  for (const json& todo : json::parse(client_.get("/todos?limit=1000").body))
    stored.insert(todo["id"].get<std::int64_t>());
  for (const auto& ids : created) {
    EXPECT_TRUE(std::includes(stored.begin(), stored.end(), ids.begin(), ids.end())) << server_.log();
  }
  EXPECT_GE(stored.size(), static_cast<std::size_t>(kClients * 40 - failed));
}

class UploadExample : public SharedServer<UploadExample> {
 public:
  static std::string prepare(const TempDir& folder) { return example_config("upload", folder); }
};

std::string bytes_of_size(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761U >> 13);
  return bytes;
}

TEST_F(UploadExample, ALargeFileComesBackAsItWas) {
  const std::string film = bytes_of_size(20'000'003);
  const Response put = ask("PUT", "/files/film.mp4", "", film);
  EXPECT_EQ(put.status, 201);
  EXPECT_EQ(put.field("location"), "/files/film.mp4");
  const Response all = get("/files/film.mp4");
  EXPECT_TRUE(all.body == film);
  EXPECT_EQ(all.field("content-type"), "video/mp4");
  EXPECT_EQ(all.field("x-content-type-options"), "nosniff");

  const Response part = get("/files/film.mp4", "Range: bytes=20000000-\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.field("content-range"), "bytes 20000000-20000002/20000003");
  EXPECT_EQ(part.body, film.substr(20'000'000));
  EXPECT_EQ(get("/files/film.mp4", "If-None-Match: " + all.field("etag") + "\r\n").status, 304);
  const Response head = ask("HEAD", "/files/film.mp4");
  EXPECT_EQ(head.field("content-length"), "20000003");

  EXPECT_EQ(ask("PUT", "/files/film.mp4", "", "shorter").status, 201) << "replaces it";
  EXPECT_TRUE(wait_until([&] { return get("/files/film.mp4").body == "shorter"; }));
  EXPECT_EQ(ask("DELETE", "/files/film.mp4").status, 204);
  EXPECT_EQ(ask("DELETE", "/files/film.mp4").status, 404);
}

TEST_F(UploadExample, ChunkedBodiesAreStoredToo) {
  Client client = server_->connect();
  client.send("PUT /files/chunked.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 201);
  EXPECT_EQ(client.get("/files/chunked.txt").body, "hello world");
}

std::string form_part(const std::string& parameters, const std::string& content) {
  return "--b\r\nContent-Disposition: form-data; " + parameters + "\r\n\r\n" + content + "\r\n";
}

TEST_F(UploadExample, FormsWithSeveralFiles) {
  const std::string type = "Content-Type: multipart/form-data; boundary=b\r\n";
  const std::string big = bytes_of_size(3'000'000);
  const std::string form = form_part("name=comment", "ignored") +
                           form_part("name=file; filename=a.txt", "\r\n--") +
                           form_part("name=file; filename=\"C:\\\\files\\\\b.bin\"", big) + "--b--\r\n";
  const Response stored = ask("POST", "/files", type, form);
  EXPECT_EQ(stored.status, 201);
  EXPECT_EQ(json::parse(stored.body),
            json({{{"name", "a.txt"}, {"bytes", 4}}, {{"name", "b.bin"}, {"bytes", 3'000'000}}}));
  EXPECT_EQ(get("/files/a.txt").body, "\r\n--");
  EXPECT_TRUE(get("/files/b.bin").body == big);
  EXPECT_THAT(get("/files").body, HasSubstr(R"({"bytes":4,"name":"a.txt"})"));

  EXPECT_EQ(ask("POST", "/files", type, form_part("name=comment", "x") + "--b--").status, 422);
  EXPECT_EQ(ask("POST", "/files", type, "--b\r\nbroken").status, 400);
  EXPECT_EQ(ask("POST", "/files", "Content-Type: text/plain\r\n", "x").status, 415);
}

TEST_F(UploadExample, NamesCannotLeaveTheFolder) {
  for (const char* path : {"/files/%2e%2e%2fescaped", "/files/.hidden", "/files/a%00b", "/files/a%20b",
                           "/files/%2fetc%2fpasswd"}) {
    const int put = ask("PUT", path, "", "x").status;
    EXPECT_TRUE(put == 422 || put == 404 || put == 400) << path << " " << put;
    const int got = get(path).status;
    EXPECT_TRUE(got == 422 || got == 404 || got == 400) << path << " " << got;
  }
}

TEST_F(UploadExample, ABodyThatIsTooLargeIsRefusedUnread) {
  Client client = server_->connect();
  client.send("PUT /files/huge HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741825\r\n\r\n");
  EXPECT_EQ(client.receive().status, 413);
  EXPECT_EQ(get("/files/huge").status, 404);
}

TEST_F(UploadExample, HasAPageForBrowsers) {
  const Response page = get("/");
  EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.body, StartsWith("<!doctype html>"));
}

class CounterExample : public testing::Test {
 protected:
  static json parsed(const Response& response) { return json::parse(response.body); }

  TempDir folder_;
  Server server_{folder_, example_config("counter", folder_)};
  Client client_ = server_.connect();
};

TEST_F(CounterExample, CountsReadsAndForgets) {
  EXPECT_EQ(client_.get("/apples").status, 404);
  EXPECT_EQ(parsed(client_.ask("POST", "/apples"))["value"], 1);
  EXPECT_EQ(parsed(client_.ask("POST", "/apples?by=41"))["value"], 42);
  EXPECT_EQ(parsed(client_.get("/apples"))["value"], 42);
  EXPECT_EQ(client_.ask("POST", "/apples?by=many").status, 400);
  EXPECT_EQ(client_.ask("DELETE", "/apples").status, 204);
  EXPECT_EQ(client_.ask("DELETE", "/apples").status, 404);
  EXPECT_EQ(client_.ask("POST", "/" + std::string(65, 'x')).status, 422);
}

TEST_F(CounterExample, AllWorkersCountTogetherThroughDeathsAndAReload) {
  constexpr int kClients = 4;
  constexpr int kVisits = 200;
  std::vector<std::jthread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&] {
      Client client = server_.connect();
      for (int n = 0; n < kVisits; ++n) answered += client.get("/").status == 200 ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(answered, kClients * kVisits);
  const std::vector<pid_t> before = server_.workers();
  for (const pid_t worker : before) ::kill(worker, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return gone(before) && server_.workers().size() == before.size(); }));
  EXPECT_EQ(server_.ctl({"reload"}).status, 0);
  const json visits = parsed(client_.get("/"));
  EXPECT_EQ(visits["visits"], kClients * kVisits + 1);
  EXPECT_THAT(before, testing::Not(testing::Contains(visits["worker"].get<pid_t>())));
}

TEST_F(CounterExample, ASessionIsACookie) {
  const Response first = client_.get("/session");
  EXPECT_EQ(parsed(first)["visits"], 1);
  const std::string cookie = first.field("set-cookie");
  EXPECT_THAT(cookie, testing::MatchesRegex("counter_session=[0-9a-f]{32}; Path=/; Max-Age=1800; HttpOnly; "
                                            "SameSite=Lax"));
  const std::string pair = cookie.substr(0, cookie.find(';'));
  const Response second = client_.get("/session", "Cookie: other=1; " + pair + "\r\n");
  EXPECT_EQ(parsed(second)["visits"], 2);
  EXPECT_FALSE(second.has("set-cookie"));
  const Response forged = client_.get("/session", "Cookie: counter_session=" + std::string(32, '0') + "\r\n");
  EXPECT_EQ(parsed(forged)["visits"], 1);
  EXPECT_TRUE(forged.has("set-cookie")) << "only what it gave out is a session";
}

}  // namespace
}  // namespace baton::test
