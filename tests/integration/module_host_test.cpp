// Modules, as a client sees them: where requests go, what handlers are told, and what becomes of their
// answers.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/shared_server.h"
#include "tests/support/machine.h"
#include "tests/support/modules.h"
#include "tests/support/observe.h"
#include "tests/support/sanitizers.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Modules : public SharedServer<Modules> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("file.txt", written(1'000));
    folder.write("empty.txt", "");
    std::filesystem::create_directory(folder.path() / "sub");
    const std::string good = module_file("good");
    return "[server]\nworkers = 2\n[log]\naccess = \"access.log\"\n[[site]]\n" + module_route("/", good) +
           module_route("/api/", good) + module_route("/v1/deep", good) +
           "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n"
           "[[site.route]]\npath = \"/with\"\nmodule = { file = \"" +
           good + "\" }\nheaders = { \"X-Route\" = \"yes\" }\n[[site]]\nhosts = [\"other.example\"]\n" +
           module_route("/only", good);
  }
  static std::string file(const std::string& name) { return (folder_->path() / name).string(); }
};

// -- routing

TEST_F(Modules, PatternsAndParameters) {
  Client client = server_->connect();
  EXPECT_THAT(client.get("/users/7%2C8%20x").body, HasSubstr("param id=7,8 x\n"));
  EXPECT_EQ(client.get("/users/me").body, "");
  EXPECT_THAT(client.get("/users/me/posts/9").body, HasSubstr("param id=me\nparam post=9\n"));
  EXPECT_THAT(client.get("/all/a/b//c/").body, HasSubstr("param rest=a/b"));
  EXPECT_THAT(client.get("/all/").body, HasSubstr("param rest=\n"));
  for (const char* missing : {"/users", "/users/", "/users/1/2", "/users/1/posts/", "/nowhere", "/request/"})
    EXPECT_EQ(client.get(missing).status, 404) << missing;
}

TEST_F(Modules, MountsAndSites) {
  Client client = server_->connect();
  EXPECT_THAT(client.get("/request").body, HasSubstr("path=/request\nmount=\n"));
  EXPECT_THAT(client.get("/api/request").body, HasSubstr("path=/api/request\nmount=/api\n"));
  EXPECT_THAT(client.get("/v1/deep/users/3").body, HasSubstr("path=/v1/deep/users/3\nmount=/v1/deep\n"));
  EXPECT_THAT(client.get("/api/").body, HasSubstr("path=/api/\n"));
  EXPECT_EQ(client.get("/apirequest").status, 404);
  EXPECT_EQ(client.get("/plain").body, "plain");
  EXPECT_EQ(client.get("/plain/request").body, "plain");
  const auto of_other = [&](const std::string& target) {
    return client.exchange("GET " + target + " HTTP/1.1\r\nHost: other.example:80\r\n\r\n");
  };
  EXPECT_THAT(of_other("/only/request").body, HasSubstr("mount=/only\n"));
  EXPECT_THAT(of_other("/only/request").body, HasSubstr("host=other.example\n"));
  EXPECT_EQ(of_other("/request").status, 404);
  EXPECT_EQ(client.get("/only/request").status, 404);
}

// A mount without its slash: the handlers of "/" are behind it.
TEST_F(Modules, TheMountItself) {
  const Response response = get("/v1/deep");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("path=/v1/deep\nmount=/v1/deep\n"));
}

TEST_F(Modules, MethodsThatBatonAnswers) {
  Client client = server_->connect();
  const Response options = client.ask("OPTIONS", "/users/7");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.field("allow"), "GET, HEAD, PUT, OPTIONS");
  EXPECT_EQ(client.ask("OPTIONS", "/users/me").field("allow"), "GET, HEAD, PUT, DELETE, OPTIONS");
  const Response refused = client.ask("DELETE", "/users/7");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.field("allow"), "GET, HEAD, PUT, OPTIONS");
  EXPECT_EQ(client.ask("DELETE", "/users/me").status, 200);
  EXPECT_THAT(client.ask("PUT", "/users/me").body, HasSubstr("method=PUT\n")) << "of the pattern behind it";
  EXPECT_EQ(client.ask("OPTIONS", "/nowhere").status, 404);
  EXPECT_EQ(client.ask("PATCH", "/echo", "", "x").body, "x");
}

TEST_F(Modules, HeadIsGetWithoutABody) {
  Client client = server_->connect();
  for (const char* target : {"/request", "/write/1000/10", "/write/2000000/100000"}) {
    const Response whole = client.get(target);
    const Response head = client.ask("HEAD", target);
    EXPECT_EQ(head.status, 200);
    const std::size_t method = std::string_view(target) == "/request" ? 1 : 0;  // "HEAD" for "GET"
    EXPECT_EQ(head.field("content-length"), std::to_string(whole.body.size() + method)) << target;
  }
  EXPECT_EQ(client.get("/write/3/3").body, "abc");
}

// -- what a handler is told

TEST_F(Modules, EverythingOfARequest) {
  Client client = server_->connect();
  const Response response = client.exchange(
      "POST /api/./x/../%72equest?a=%20b&c HTTP/1.1\r\nHost: Example.COM:8080\r\nX-Twice: 1\r\nx-twice: 2\r\n"
      "Empty:\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(response.body,
            "method=POST\ntarget=/api/./x/../%72equest?a=%20b&c\npath=/api/request\nmount=/api\n"
            "query=a=%20b&c\nhost=Example.COM\npeer=127.0.0.1\nminor=1\nheader Host=Example.COM:8080\n"
            "header X-Twice=1\nheader x-twice=2\nheader Empty=\nheader Content-Length=5\nbody=hello\n");
  const Response old = client.exchange("GET /request HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.body, HasSubstr("host=\npeer=127.0.0.1\nminor=0\n"));
  EXPECT_TRUE(client.closed());
}

TEST_F(Modules, TargetsAreUris) {
  const std::string expected = "target=/request?%C3%A9=%22%5B\npath=/request\nmount=\nquery=%C3%A9=%22%5B\n";
  const std::string head = "POST /request?\xc3\xa9=\"[ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
  EXPECT_THAT(server_->connect().exchange(head + "x").body, HasSubstr(expected));
  Client slow = server_->connect();  // the head is read again behind the body
  slow.send(head);
  ASSERT_TRUE(wait_until([&] { return count_armed(*server_, Phase::kBody) == 1; }));
  EXPECT_THAT(slow.exchange("x").body, HasSubstr(expected));
  EXPECT_THAT(get("/all/\xc3\xa9\"").body, HasSubstr("param rest=\xc3\xa9\"\n"));
}

TEST_F(Modules, ManyHeaders) {
  std::string fields;
  for (int i = 0; i < 90; ++i) fields += "X-" + std::to_string(i) + ": " + std::string(100, 'v') + "\r\n";
  const std::string body = get("/request", fields).body;
  EXPECT_THAT(body, HasSubstr("header X-0="));
  EXPECT_THAT(body, HasSubstr("header X-89=" + std::string(100, 'v')));
}

// -- responses

using Record = std::tuple<std::string, std::string, std::string>;

std::string records(const std::vector<Record>& all) {
  std::string text;
  for (const auto& [how, name, value] : all) text += how + '\x1f' + name + '\x1f' + value + '\x1e';
  return text;
}

TEST_F(Modules, Headers) {
  const Response response = ask("POST", "/with/headers", "",
                                records({{"add", "X-A", "1"},
                                         {"add", "x-a", "2"},
                                         {"add", "X-B", "1"},
                                         {"set", "x-b", "2"},
                                         {"set", "Set-Cookie", "a=1; Path=/"},
                                         {"add", "Set-Cookie", "b=2"},
                                         {"set", "Content-Type", "text/a"},
                                         {"set", "content-type", "text/b"},
                                         {"set", "X-Empty", " \t "},
                                         {"add", "X-Blanks", "\t a \tb "},
                                         {"set", "X-Utf8", "\xc3\xa4"}}));
  EXPECT_EQ(response.body, "11111111111");
  EXPECT_EQ(response.fields.count("x-a"), 2U);
  EXPECT_EQ(response.field("x-b"), "2");
  EXPECT_EQ(response.fields.count("set-cookie"), 2U);
  EXPECT_EQ(response.field("content-type"), "text/b");
  EXPECT_EQ(response.field("x-utf8"), "\xc3\xa4");
  EXPECT_EQ(response.field("x-blanks"), "a \tb");
  EXPECT_EQ(response.field("x-route"), "yes");
  EXPECT_THAT(response.head, HasSubstr("X-Empty: \r\n"));
}

TEST_F(Modules, HeadersThatAreRefused) {
  const Response response = ask("POST", "/headers", "",
                                records({{"set", "Content-Length", "5"},
                                         {"add", "transfer-encoding", "chunked"},
                                         {"set", "Connection", "close"},
                                         {"set", "Date", "now"},
                                         {"set", "server", "mine"},
                                         {"set", "Keep-Alive", "1"},
                                         {"set", "Upgrade", "h2c"},
                                         {"set", "Trailer", "X"},
                                         {"set", "", "x"},
                                         {"set", "X A", "x"},
                                         {"set", "X:", "x"},
                                         {"set", "X\r\nY", "x"},
                                         {"set", "X-Split", "a\r\nX-Evil: 1"},
                                         {"set", "X-Nul", std::string("a\0b", 3)},
                                         {"set", "Content-Type", "a\r\nX-Evil: 1"}}));
  EXPECT_EQ(response.body, "000000000000000");
  EXPECT_EQ(response.field("server"), "baton");
  EXPECT_EQ(response.fields.size(), 3U) << response.head;  // Server, Date, Content-Length
  const std::string log = server_->log();
  for (const char* why : {"'Content-Length' is written by the server itself", "'X A' is not a field name",
                          "'X-Split': a field value cannot contain line breaks"})
    EXPECT_THAT(log, HasSubstr(why));
}

TEST_F(Modules, HeadersOfAnySize) {
  std::vector<Record> many;
  for (int i = 0; i < 300; ++i) many.emplace_back("add", "X-" + std::to_string(i), std::string(1'000, 'v'));
  Client client = server_->connect();
  const Response response = client.ask("POST", "/headers", "", records(many));
  EXPECT_EQ(response.body, std::string(300, '1'));
  EXPECT_EQ(response.field("x-299").size(), 1'000U);
  EXPECT_EQ(client.get("/plain").body, "plain");
}

TEST_F(Modules, Statuses) {
  Client client = server_->connect();
  for (const int status : {200, 201, 299, 404, 418, 500, 599}) {
    const Response response = client.get("/status/" + std::to_string(status));
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, "body");
  }
  for (const int status : {204, 304}) {
    const Response response = client.get("/status/" + std::to_string(status));
    EXPECT_EQ(response.status, status);
    EXPECT_FALSE(response.has("content-length"));
    EXPECT_FALSE(response.has("content-type"));
  }
  const Response reset = client.get("/status/205");
  EXPECT_EQ(reset.status, 205);
  EXPECT_EQ(reset.field("content-length"), "0");
  for (const char* status : {"100", "101", "199", "600", "0", "-1"})
    EXPECT_EQ(client.get(std::string("/status/") + status).status, 500) << status;
  EXPECT_EQ(client.get("/nothing").field("content-length"), "0");
}

// What the handler says of the content that it makes is left out along with it.
TEST_F(Modules, StatusesWithoutContentDoNotDescribeIt) {
  Client client = server_->connect();
  for (const int status : {204, 205, 304}) {
    for (const char* path : {"/contentless/", "/contentless-stream/"}) {
      const Response response = client.get(path + std::to_string(status));
      EXPECT_EQ(response.status, status);
      for (const char* name : {"content-type", "content-encoding", "content-language", "transfer-encoding"})
        EXPECT_FALSE(response.has(name)) << response.head;
      EXPECT_EQ(response.has("accept-ranges"), status != 304);
      EXPECT_EQ(response.has("last-modified"), status != 304) << "the tag says it better";
      EXPECT_EQ(response.field("content-length"), status == 205 ? "0" : "");
      EXPECT_EQ(response.field("etag"), "\"e\"");
      EXPECT_EQ(response.field("set-cookie"), "a=1");
    }
  }
  EXPECT_EQ(client.get("/plain").body, "plain") << "and there was no body";
}

TEST_F(Modules, ErrorPages) {
  Client client = server_->connect();
  const Response page = client.get("/error/409", "Accept: text/html\r\n");
  EXPECT_EQ(page.status, 409);
  EXPECT_THAT(page.body, HasSubstr("the &lt;detail&gt;"));
  EXPECT_THAT(page.field("content-type"), HasSubstr("text/html"));
  EXPECT_FALSE(page.has("x-before"));
  EXPECT_THAT(page.body, Not(HasSubstr("lost")));
  const Response json = client.get("/error/503", "Accept: application/json\r\n");
  EXPECT_EQ(json.status, 503);
  EXPECT_THAT(json.body, HasSubstr("the <detail>"));
  EXPECT_EQ(client.get("/error/200").status, 500);
}

TEST_F(Modules, AFailureIsToldToTheLogOnly) {
  Client client = server_->connect();
  const Response response = client.get("/fail");
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, Not(HasSubstr("half")));
  EXPECT_THAT(response.body, Not(HasSubstr("reason")));
  EXPECT_THAT(server_->log(), HasSubstr("\"GET /fail HTTP/1.1\", route /, module " + module_file("good") +
                                        ": the handler has failed: the reason\\x0aof the failure"));
  EXPECT_EQ(client.get("/plain").body, "plain");
}

TEST_F(Modules, WhatAClientSaysDoesNotFillTheLog) {
  Client client = server_->connect();
  const std::size_t before = server_->log().size();
  EXPECT_EQ(client.ask("POST", "/fail?" + std::string(5'000, 'q'), "", std::string(1'000'000, 'x')).status,
            500);
  const std::string log = server_->log().substr(before);
  EXPECT_LT(log.size(), 6'000U);
  EXPECT_THAT(log, HasSubstr("\"POST /fail?qqq"));
  EXPECT_THAT(log, HasSubstr("xxx... (1000000 bytes)\n"));
}

TEST_F(Modules, LogLines) {
  EXPECT_EQ(get("/log?a%0Aline").status, 200);
  EXPECT_THAT(server_->log(), HasSubstr("[warning] "));
  EXPECT_THAT(server_->log(), HasSubstr("a%0Aline"));
}

TEST_F(Modules, BodiesOfEverySize) {
  Client client = server_->connect();
  for (const std::size_t bytes :
       {1, 65'535, 65'536, 65'537, 262'143, 262'144, 262'145, 524'288, 1'048'576, 1'048'577, 3'000'000}) {
    for (const std::size_t part : {std::size_t{1'000}, bytes}) {
      const Response response = client.get("/write/" + std::to_string(bytes) + "/" + std::to_string(part));
      EXPECT_TRUE(response.body == written(bytes)) << bytes << " in parts of " << part;
    }
  }
  EXPECT_EQ(client.get("/replaced").body, "replaced");
}

// -- files

TEST_F(Modules, AFileWithAllThatBelongsToIt) {
  Client client = server_->connect();
  const std::string target = "/file?" + file("file.txt");
  const Response whole = client.get(target);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, written(1'000));
  EXPECT_THAT(whole.field("content-type"), HasSubstr("text/plain"));
  const std::string etag = whole.field("etag");
  ASSERT_FALSE(etag.empty());
  EXPECT_EQ(client.get(target, "If-None-Match: " + etag + "\r\n").status, 304);
  EXPECT_EQ(client.get(target, "If-Match: \"x\"\r\n").status, 412);
  const Response range = client.get(target, "Range: bytes=10-19\r\n");
  EXPECT_EQ(range.status, 206);
  EXPECT_EQ(range.body, written(1'000).substr(10, 10));
  EXPECT_EQ(client.get(target, "Range: bytes=5000-\r\n").status, 416);
  EXPECT_THAT(client.get(target, "Range: bytes=0-1,5-6\r\n").field("content-type"), HasSubstr("multipart"));
  const Response head = client.ask("HEAD", target);
  EXPECT_EQ(head.field("content-length"), "1000");
  EXPECT_EQ(client.get("/file?" + file("empty.txt")).body, "");
}

TEST_F(Modules, FilesThatCannotBeSent) {
  Client client = server_->connect();
  for (const char* name : {"missing.txt", "sub", "file.txt/x"})
    EXPECT_EQ(client.get("/file?" + file(name)).status, 404) << name;
  EXPECT_EQ(client.get("/file?").status, 404);
  EXPECT_EQ(client.get("/file?/dev/zero").status, 404);
  EXPECT_EQ(client.get("/plain").body, "plain");
}

TEST_F(Modules, TheAccessLogHasThem) {
  EXPECT_EQ(get("/write/777/777?logged").status, 200);
  EXPECT_TRUE(wait_until([] {
    return folder_->read("access.log").find("\"GET /write/777/777?logged HTTP/1.1\" 200 777 ") !=
           std::string::npos;
  })) << folder_->read("access.log");
}

TEST_F(Modules, PipelinedWithOthers) {
  Client client = server_->connect();
  const auto request = [](const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
  };
  std::string all;
  for (int i = 0; i < 20; ++i) all += request("/plain") + request("/write/5/1") + request("/status/404");
  client.send(all);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.receive().body, "plain");
    EXPECT_EQ(client.receive().body, "abcde");
    EXPECT_EQ(client.receive().status, 404);
  }
}

// -- how many at a time

TEST(ModuleHost, SoManyAtATimeAndNoMore) {
  const TempDir folder;
  const Server server(folder, "[server]\nworkers = 5\n[[site]]\n" + module_route("/", module_file("good")) +
                                  "[[site.route]]\npath = \"/plain\"\nrespond = { body = \"plain\" }\n");
  for (const std::string round : {"1", "2"}) {
    std::vector<Client> in;
    for (int i = 0; i < 2; ++i) {
      in.push_back(server.connect());
      in.back().send("GET /limited/" + round + " HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ASSERT_TRUE(wait_until([&] { return counted(folder, "entered-" + round) == 2; }));
    Client third = server.connect();
    for (int i = 0; i < 3; ++i) {
      const Response busy = third.get("/limited/" + round);
      EXPECT_EQ(busy.status, 503);
      EXPECT_FALSE(busy.field("retry-after").empty());
    }
    EXPECT_EQ(third.get("/plain").body, "plain");
    folder.write("open-" + round, "");
    for (Client& client : in) EXPECT_EQ(client.receive().body, "through");
    EXPECT_EQ(third.get("/limited/" + round).body, "through");
  }
}

TEST(ModuleHost, TheDeathOfAWorkerGivesItsPermitBack) {
  const SanitizersLeave the_signal_alone;
  const TempDir folder;
  const Server server(folder, "[server]\nworkers = 4\n[limits]\nretries = 0\n[[site]]\n" +
                                  module_route("/", module_file("good")));
  std::vector<Client> in;
  for (int i = 0; i < 2; ++i) {
    in.push_back(server.connect());
    in.back().send("GET /limited/x HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  ASSERT_TRUE(wait_until([&] { return counted(folder, "entered-x") == 2; }));
  for (const WorkerEntry& entry : server.segment().scoreboard()) {
    if (entry.flight.phase.load() == FlightPhase::kServing) ::kill(entry.pid.load(), SIGSEGV);
  }
  for (Client& client : in) EXPECT_EQ(client.receive().status, 500);
  folder.write("open-y", "");
  Client client = server.connect();
  EXPECT_TRUE(wait_until([&] { return client.get("/limited/y").status == 200; }));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(client.get("/limited/y").status, 200);
}

// How often the app threads have gone to sleep.
std::uint64_t sleeps_of_app_threads(const Server& server) {
  std::uint64_t sleeps = 0;
  for (const pid_t worker : server.workers()) {
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(worker) + "/task")) {
      const pid_t thread = std::stoi(task.path().filename());
      if (status_field(thread, "Name") == "baton: app")
        sleeps += std::stoul(status_field(thread, "voluntary_ctxt_switches"));
    }
  }
  return sleeps;
}

// Fewer than a wake-up for each, that is: the threads look twice a second whether all is well.
TEST(ModuleHost, HandlersThatMakeNoSystemCallWakeNoOtherThread) {
  for (const char* less : {"", "fsgsbase", "dispatch"}) {
    const TempDir folder;
    const Without without(less);
    const Server server(folder, "[server]\nworkers = 1\n[[site]]\n" + module_route("/", module_file("good")));
    Client client = server.connect();
    const auto woken_by = [&](const std::string& target) {
      const std::uint64_t before = sleeps_of_app_threads(server);
      for (int i = 0; i < 1'000; ++i) client.get(target);
      return sleeps_of_app_threads(server) - before;
    };
    woken_by("/request");  // what they need of memory they take here
    EXPECT_EQ(woken_by("/request") < 500, stands_in() && std::string(less) != "dispatch") << less;
  }
}

TEST(ModuleHost, TheLogSaysOnceWhatTheMachineCannotDoForModules) {
  const std::string config = "[server]\nworkers = 3\n[[site]]\n";
  const auto lines_with = [](const Server& server, const std::string& text) {
    std::size_t count = 0;
    const std::string log = server.log();
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at) ++count;
    return count;
  };
  for (const char* less : {"fsgsbase", "dispatch,pkeys"}) {
    const bool none = std::string(less) == "dispatch,pkeys";
    const TempDir folder;
    const Without without(less);
    const Server server(folder, config + "[[site.route]]\npath = \"/\"\nrespond = {}\n");
    EXPECT_EQ(lines_with(server, "protection keys") + lines_with(server, "another thread"), 0U)
        << "it has no modules";
    for (int reload = 0; reload < 2; ++reload)
      ASSERT_EQ(server.reload(config + module_route("/", module_file("good"))).status, 0);
    EXPECT_EQ(lines_with(server, "no protection keys"), none || !has(Ability::kProtectionKeys) ? 1U : 0U);
    EXPECT_EQ(lines_with(server, "is handed to another thread"), none || !stands_in() ? 1U : 0U);
    const bool refused = none || !has(Ability::kDispatch);
    EXPECT_EQ(lines_with(server, "no Syscall User Dispatch"), refused && !kAddressSanitizer ? 1U : 0U);
  }
}

// What is misspelt would leave nothing out, and the tests say nothing of other machines.
TEST(ModuleHost, NothingElseCanBeLeftOut) {
  const TempDir folder;
  const std::string file = folder.write("baton.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n");
  const Without without("pkeys,avx");
  const Finished done = run_program({baton_binary(), "-c", file});
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.err, HasSubstr("BATON_WITHOUT names 'avx'"));
}

TEST(ModuleHost, StartedBeforeTheFirstRequestAndStoppedAfterTheLast) {
  const TempDir folder;
  Server server(folder, "[server]\nworkers = 3\n[[site]]\n" + module_route("/", module_file("good")));
  EXPECT_EQ(counted(folder, "started"), 3U);
  EXPECT_EQ(counted(folder, "stopped"), 0U);
  EXPECT_EQ(server.stop(), 0);
  EXPECT_EQ(counted(folder, "stopped"), 3U);
}

}  // namespace

}  // namespace baton::test
