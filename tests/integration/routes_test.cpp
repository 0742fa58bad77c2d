// Which route answers, and what routes other than files answer.
#include <nlohmann/json.hpp>

#include "tests/integration/shared_server.h"

namespace baton::test {

namespace {

// In the order of the [[listen]] tables below.
enum Listener : std::size_t { kIpv4, kIpv6, kUnix };

constexpr const char* kListeners = R"(
[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "[::1]:0"
[[listen]]
address = "unix:socket"
)";

constexpr const char* kSites = R"(
[[site]]
hosts = ["example.com", "www.example.com"]
[[site.route]]
path = "/"
respond = { body = "example.com" }

[[site]]
hosts = ["*.example.org"]
[[site.route]]
path = "/"
respond = { body = "wildcard" }

[[site]]
hosts = ["leave.example"]
[[site.route]]
path = "/"
redirect = { to = "{uri}" }
[[site.route]]
path = "/slash"
redirect = { to = "/{uri}" }
[[site.route]]
path = "/port"
redirect = { to = "http://{authority}{uri}" }
[[site.route]]
path = "/elsewhere"
redirect = { to = "//cdn.example{uri}" }

[[site]]
hosts = ["deep.example.org", "*.deep.example.org", "[::1]", "127.0.0.1"]
[[site.route]]
path = "/only"
respond = { body = "deep" }
)";

std::string respond(const std::string& path, const std::string& options = "") {
  return "path = \"" + path + "\"\nrespond = { body = \"" + path + "\" }\n" + options;
}

class Routes : public SharedServer<Routes> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("site/file.txt", "file");
    return site_config({
               respond("/"),
               respond("/a"),
               respond("/a/b/"),
               respond("/a/b/c"),
               "path = \"/old/\"\nredirect = { to = \"https://{host}/new{uri}\", status = 308 }",
               "path = \"/moved\"\nredirect = { to = \"/a\" }",
               "path = \"/teapot\"\nrespond = { status = 418, body = \"{}\", type = \"application/json\" }",
               "path = \"/nothing\"\nrespond = { status = 204 }",
               "path = \"/files/\"\nstatic = { root = \"site\" }\n"
               "headers = { X-Frame-Options = \"DENY\", X-More = \"a, b\" }",
               respond("/denied/", "deny = [\"127.0.0.0/8\"]\nheaders = { X-Denied = \"yes\" }"),
               respond("/allow4/", "allow = [\"127.0.0.1\"]"),
               respond("/allow6/", "allow = [\"::1\"]"),
               respond("/allow-unix/", "allow = [\"unix\"]"),
               respond("/elsewhere/", "allow = [\"10.0.0.0/8\", \"2001:db8::/32\"]"),
               respond("/deny-wins/",
                       "allow = [\"127.0.0.0/8\", \"unix\"]\ndeny = [\"127.0.0.1\", \"unix\"]"),
               "path = \"/status\"\nstatus = true",
           }) +
           kSites + kListeners;
  }

  static Response from_host(const std::string& host, const std::string& target = "/") {
    return server_->connect().exchange("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }
  static int status_over(Listener listener, const std::string& target) {
    return server_->connect(listener).get(target).status;
  }
};

TEST_F(Routes, HostsChooseTheSite) {
  for (const char* host : {"example.com", "www.example.com", "EXAMPLE.com", "example.com:8080",
                           "example.com.", "example.com.:80"}) {
    EXPECT_EQ(from_host(host).body, "example.com") << host;
  }
  for (const char* host : {"a.example.org", "a.b.example.org", "A.Example.ORG", "a.example.org:80"}) {
    EXPECT_EQ(from_host(host).body, "wildcard") << host;
  }
  for (const char* host : {"deep.example.org", "x.deep.example.org", "[::1]", "[::1]:80", "127.0.0.1"}) {
    EXPECT_EQ(from_host(host, "/only").body, "deep") << host;
  }
  for (const char* host :
       {"example.org", "xexample.org", "example.com.evil", "sub.example.com", "localhost", "com", ""}) {
    EXPECT_EQ(from_host(host).body, "/") << host;
  }
}

TEST_F(Routes, HostOfTheTargetWins) {
  EXPECT_EQ(from_host("localhost", "http://example.com/").body, "example.com");
  EXPECT_EQ(from_host("localhost", "HTTP://a.example.org:80").body, "wildcard");
  EXPECT_EQ(from_host("example.com", "http://localhost/a").body, "/a");
  // HTTP/1.0 may say nothing.
  EXPECT_EQ(server_->connect().exchange("GET / HTTP/1.0\r\n\r\n").body, "/");
}

TEST_F(Routes, SiteWithoutAMatchingRoute) {
  EXPECT_EQ(from_host("deep.example.org", "/").status, 404);
  EXPECT_EQ(from_host("deep.example.org", "/only/more").body, "deep");
}

TEST_F(Routes, LongestPrefixOfWholeSegmentsWins) {
  const std::pair<const char*, const char*> expected[] = {
      {"/", "/"},
      {"/x", "/"},
      {"/a", "/a"},
      {"/a/", "/a"},
      {"/a/x", "/a"},
      {"/ab", "/"},
      {"/ab/a", "/"},
      {"/a/b", "/a/b/"},
      {"/a/b/", "/a/b/"},
      {"/a/bc", "/a"},
      {"/a/b/c", "/a/b/c"},
      {"/a/b/c/d", "/a/b/c"},
      {"/a/b/cd", "/a/b/"},
      {"/A", "/"},
      {"/a?/a/b", "/a"},
      {"//a", "/a"},
      {"/x/../a", "/a"},
      {"/%61", "/a"},
      {"/a%2fb%2fc", "/a/b/c"},
      {"/a/b/../../x", "/"},
  };
  for (const auto& [target, route] : expected) EXPECT_EQ(get(target).body, route) << target;
}

TEST_F(Routes, NoDefaultSite) {
  const TempDir folder;
  const Server server(folder, std::string("[server]\nworkers = 2\n") + kSites);
  EXPECT_EQ(server.connect().get("/").status, 404);
  EXPECT_EQ(server.connect().exchange("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").status, 200);
}

TEST_F(Routes, Redirects) {
  const Response moved = get("/moved");
  EXPECT_EQ(moved.status, 302);
  EXPECT_EQ(moved.field("location"), "/a");
  const Response kept = from_host("Shop.example:8080", "/old/a%20b?x=1&y=%2F");
  EXPECT_EQ(kept.status, 308);
  EXPECT_EQ(kept.field("location"), "https://Shop.example/new/old/a%20b?x=1&y=%2F");
  EXPECT_EQ(ask("POST", "/moved", "", "body").status, 302);
  const Response head = ask("HEAD", "/moved");
  EXPECT_EQ(head.status, 302);
  EXPECT_EQ(head.field("location"), "/a");
}

TEST_F(Routes, RedirectsToWhereTheRequestSays) {
  const auto location = [](const std::string& host, const std::string& target) {
    return from_host(host, target).field("location");
  };
  EXPECT_EQ(location("leave.example:8080", "/port/x?y"), "http://leave.example:8080/port/x?y");
  EXPECT_EQ(location("Leave.example", "/port"), "http://Leave.example/port");
  EXPECT_EQ(location("leave.example.:1", "/port"), "http://leave.example:1/port");
  EXPECT_EQ(location("x:1", "http://leave.example:2/port"), "http://leave.example:2/port");
  EXPECT_EQ(location("x:1", "http://leave.example/port"), "http://leave.example/port");
  EXPECT_EQ(location("[::2]:80", "/old/"), "https://[::2]/new/old/");
  EXPECT_EQ(location("a!$&'()*+,;=_~%41:8", "/old/"), "https://a!$&'()*+,;=_~%41/new/old/");
}

// A host that is not there makes no address: "https:///new/" leads to the host "new" in browsers.
TEST_F(Routes, RedirectsThatNeedAHostAndHaveNone) {
  for (const char* request : {"GET /old/ HTTP/1.0\r\n\r\n", "GET /old/ HTTP/1.0\r\nHost:\r\n\r\n",
                              "GET /old/ HTTP/1.1\r\nHost:\r\n\r\n"}) {
    const Response response = server_->connect().exchange(request);
    EXPECT_EQ(response.status, 400);
    EXPECT_FALSE(response.has("location"));
  }
  EXPECT_EQ(server_->connect().exchange("GET /moved HTTP/1.0\r\n\r\n").field("location"), "/a");
}

TEST_F(Routes, RedirectsDoNotLeaveTheSite) {
  const std::pair<const char*, const char*> expected[] = {
      {"//evil.example/x", "/evil.example/x"},
      {"////evil.example", "/evil.example"},
      {"//evil.example/..", "/evil.example/.."},
      {"//", "/"},
      {"/\\evil.example", "/%5Cevil.example"},
      {"/\\/evil.example", "/%5C/evil.example"},
      {"http://leave.example//evil.example", "/evil.example"},
      {"/slash//evil", "/slash//evil"},
      {"//slash", "/slash"},
      {"/a?//b", "/a?//b"},
      {"/elsewhere", "//cdn.example/elsewhere"},
      {"//elsewhere", "//cdn.example//elsewhere"},
  };
  for (const auto& [target, location] : expected)
    EXPECT_EQ(from_host("leave.example", target).field("location"), location) << target;
}

TEST_F(Routes, LocationsHoldNothingThatAUriCannot) {
  EXPECT_EQ(from_host("leave.example", "/\xc3\xa9\"<>?[\\]^`{|}\xff").field("location"),
            "/%C3%A9%22%3C%3E?%5B%5C%5D%5E%60%7B%7C%7D%FF");
  EXPECT_EQ(from_host("h", "/old/{host}?{uri}").field("location"), "https://h/new/old/%7Bhost%7D?%7Buri%7D");
}

TEST_F(Routes, FixedAnswers) {
  const Response teapot = get("/teapot");
  EXPECT_EQ(teapot.status, 418);
  EXPECT_EQ(teapot.body, "{}");
  EXPECT_EQ(teapot.field("content-type"), "application/json");
  EXPECT_EQ(get("/a").field("content-type"), "text/plain; charset=utf-8");
  const Response nothing = get("/nothing");
  EXPECT_EQ(nothing.status, 204);
  EXPECT_FALSE(nothing.has("content-length"));
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(ask(method, "/a", "", "body").body, "/a") << method;
  }
  const Response head = ask("HEAD", "/a");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("content-length"), "2");
}

TEST_F(Routes, MethodsThatARouteDoesNotHave) {
  for (const char* target : {"/a", "/moved", "/status", "/files/file.txt"}) {
    const Response trace = ask("TRACE", target);
    EXPECT_EQ(trace.status, 405) << target;
    EXPECT_NE(trace.field("allow").find("GET, HEAD"), std::string::npos);
    EXPECT_EQ(trace.field("allow").find("TRACE"), std::string::npos);
    const Response options = ask("OPTIONS", target);
    EXPECT_EQ(options.status, 204) << target;
    EXPECT_EQ(options.field("allow"), trace.field("allow"));
    EXPECT_EQ(ask("BREW", target).status, 501);
  }
  EXPECT_NE(ask("OPTIONS", "/a").field("allow").find("POST"), std::string::npos);
  EXPECT_EQ(ask("POST", "/status").status, 405);
  const Response server = ask("OPTIONS", "*");
  EXPECT_EQ(server.status, 204);
  EXPECT_NE(server.field("allow").find("GET"), std::string::npos);
}

TEST_F(Routes, HeadersOnEveryAnswerOfTheRoute) {
  const auto has_both = [](const Response& response) {
    return response.field("x-frame-options") == "DENY" && response.field("x-more") == "a, b";
  };
  const Response file = get("/files/file.txt");
  EXPECT_TRUE(file.status == 200 && has_both(file)) << file.head;
  for (const Response& response :
       {get("/files/missing"), get("/files"), ask("POST", "/files/file.txt"), ask("OPTIONS", "/files/"),
        get("/files/file.txt", "If-None-Match: *\r\n"), get("/files/file.txt", "Range: bytes=9-\r\n"),
        ask("HEAD", "/files/file.txt")}) {
    EXPECT_TRUE(has_both(response)) << response.head;
  }
  EXPECT_FALSE(get("/a").has("x-frame-options"));
  const Response denied = get("/denied/");
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.field("x-denied"), "yes");
}

TEST_F(Routes, AllowAndDeny) {
  struct Expected {
    const char* target;
    int over_ipv4, over_ipv6, over_unix;
  };
  const Expected table[] = {
      {"/a", 200, 200, 200},          {"/denied/", 403, 200, 200},     {"/denied", 403, 200, 200},
      {"/allow4/", 200, 403, 403},    {"/allow6/", 403, 200, 403},     {"/allow-unix/x", 403, 403, 200},
      {"/elsewhere/", 403, 403, 403}, {"/deny-wins/x", 403, 403, 403}, {"/x/../denied/x", 403, 200, 200},
      {"//denied", 403, 200, 200},    {"/%64enied/", 403, 200, 200},
  };
  for (const Expected& expected : table) {
    EXPECT_EQ(status_over(kIpv4, expected.target), expected.over_ipv4) << expected.target;
    EXPECT_EQ(status_over(kIpv6, expected.target), expected.over_ipv6) << expected.target;
    EXPECT_EQ(status_over(kUnix, expected.target), expected.over_unix) << expected.target;
  }
}

TEST_F(Routes, StatusAsPageAndAsJson) {
  const Response page = get("/status");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("</html>"), std::string::npos);

  const Response json = get("/status", "Accept: application/json\r\n");
  EXPECT_EQ(json.field("content-type"), "application/json");
  EXPECT_EQ(json.field("cache-control"), "no-store");
  const auto status = nlohmann::json::parse(json.body);
  EXPECT_EQ(status.at("server").at("master_pid"), server_->pid());
  EXPECT_EQ(status.at("workers").size(), 2U);
  EXPECT_GE(status.at("totals").at("requests"), 2);
  const Response head = ask("HEAD", "/status");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
}

}  // namespace

}  // namespace baton::test
