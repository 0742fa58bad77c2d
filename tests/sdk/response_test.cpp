#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/sdk/module_under_test.h"

namespace baton::test {
namespace {

using namespace baton::literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

TEST(SdkResponse, BodiesHaveTheirTypes) {
  FakeResponse response = run_handler([](auto&, auto& r) { r.text("a"); });
  EXPECT_EQ(response.header("Content-Type"), "text/plain; charset=utf-8\n");
  EXPECT_EQ(response.body, "a");
  response = run_handler([](auto&, auto& r) { r.status(201).html("<p>"); });
  EXPECT_EQ(response.header("Content-Type"), "text/html; charset=utf-8\n");
  EXPECT_EQ(response.status, 201);
  response = run_handler([](auto&, auto& r) { r.bytes(std::string_view("\0", 1)); });
  EXPECT_EQ(response.header("Content-Type"), "application/octet-stream\n");
  EXPECT_EQ(response.body, std::string(1, '\0'));
  response = run_handler([](auto&, auto& r) { r.bytes("a,b", "text/csv"); });
  EXPECT_EQ(response.header("Content-Type"), "text/csv\n");
}

TEST(SdkResponse, JsonOfWhateverJsonCanBeMadeOf) {
  FakeResponse response = run_handler([](auto&, auto& r) { r.json({{"b", 1}, {"a", {1, 2}}}); });
  EXPECT_EQ(response.body, R"({"a":[1,2],"b":1})");
  EXPECT_EQ(response.header("Content-Type"), "application/json\n");
  response = run_handler([](auto&, auto& r) { r.json(std::vector<std::string>{"x", "y"}); });
  EXPECT_EQ(response.body, R"(["x","y"])");
  response = run_handler([](auto&, auto& r) { r.json(nlohmann::ordered_json{{"b", 1}, {"a", 2}}); });
  EXPECT_EQ(response.body, R"({"b":1,"a":2})");
}

TEST(SdkResponse, TextThatIsNoUtf8DoesNotFailInJson) {
  const FakeResponse response = run_handler([](auto&, auto& r) { r.json({{"name", "\xff"}}); });
  EXPECT_EQ(response.body, "{\"name\":\"\xef\xbf\xbd\"}");
}

TEST(SdkResponse, HeadersReplaceOrAdd) {
  const FakeResponse response = run_handler([](auto&, auto& r) {
    r.header("X-A", "1").header("X-A", "2").add_header("X-B", "1").add_header("X-B", "2");
  });
  EXPECT_EQ(response.header("X-A"), "2\n");
  EXPECT_EQ(response.header("X-B"), "1\n2\n");
}

TEST(SdkResponse, ARefusedHeaderIsAMistakeThatIsLogged) {
  FakeResponse response = run_handler([](auto&, auto& r) { r.header("Content-Length", "3"); });
  EXPECT_THAT(response.failed, Optional(HasSubstr("header refused: 'Content-Length' is baton's")));
  response = run_handler([](auto&, auto& r) { r.redirect("/\r\nSet-Cookie: a=b"); });
  EXPECT_THAT(response.failed, Optional(HasSubstr("header refused: 'Location' has a line break")));
}

TEST(SdkResponse, StatusesOutOfRangeAreMistakes) {
  for (const int status : {0, 199, 600, -1}) {
    EXPECT_NE(run_handler([&](auto&, auto& r) { r.status(status); }).failed, std::nullopt) << status;
  }
  for (const int status : {399, 600}) {
    EXPECT_NE(run_handler([&](auto&, auto& r) { r.error(status); }).failed, std::nullopt) << status;
    EXPECT_NE(run_handler([&](auto&, auto&) { throw HttpError(status); }).failed, std::nullopt) << status;
  }
  for (const int status : {299, 400}) {
    EXPECT_NE(run_handler([&](auto&, auto& r) { r.redirect("/", status); }).failed, std::nullopt) << status;
  }
}

TEST(SdkResponse, Redirects) {
  FakeResponse response = run_handler([](auto&, auto& r) { r.redirect("/next"); });
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.header("Location"), "/next\n");
  response = run_handler([](auto&, auto& r) { r.redirect("/next", 303); });
  EXPECT_EQ(response.status, 303);
}

TEST(SdkResponse, Cookies) {
  const FakeResponse response = run_handler([](auto&, auto& r) {
    r.set_cookie("sid", "abc");
    r.set_cookie("theme", "", {.max_age = 0s, .path = "/app", .http_only = false});
    r.set_cookie("x", "y",
                 {.max_age = 1h, .domain = "example.com", .secure = true, .same_site = SameSite::kNone});
    r.set_cookie("z", "", {.path = "", .same_site = SameSite::kStrict});
  });
  EXPECT_EQ(response.header("Set-Cookie"),
            "sid=abc; Path=/; HttpOnly; SameSite=Lax\n"
            "theme=; Path=/app; Max-Age=0; SameSite=Lax\n"
            "x=y; Path=/; Domain=example.com; Max-Age=3600; Secure; HttpOnly; SameSite=None\n"
            "z=; HttpOnly; SameSite=Strict\n");
}

TEST(SdkResponse, CookiesThatBrowsersWouldMisreadAreRefused) {
  const auto failed = [](std::string_view name, std::string_view value, const CookieOptions& options = {}) {
    return run_handler([&](auto&, auto& r) { r.set_cookie(name, value, options); }).failed.has_value();
  };
  EXPECT_FALSE(failed("__Host-a", "!#~"));
  EXPECT_TRUE(failed("", "x"));
  EXPECT_TRUE(failed("a=b", "x"));
  EXPECT_TRUE(failed("a b", "x"));
  EXPECT_TRUE(failed("a", "x; Domain=evil"));
  EXPECT_TRUE(failed("a", "x y"));
  EXPECT_TRUE(failed("a", "\"x\""));
  EXPECT_TRUE(failed("a", "\xc3\xa4"));
  EXPECT_TRUE(failed("a", "x", {.path = "/; Secure"}));
  EXPECT_TRUE(failed("a", "x", {.domain = "a;b"}));
  EXPECT_TRUE(failed("a", "x", {.same_site = SameSite::kNone}));
}

TEST(SdkResponse, Files) {
  FakeResponse response = run_handler([](auto&, auto& r) { r.file("/srv/a.png"); });
  EXPECT_EQ(response.file, "/srv/a.png");
  EXPECT_EQ(response.header("Content-Type"), "") << "baton tells it from the name";
  response = run_handler([](auto&, auto& r) { r.file("/srv/a", "image/png"); });
  EXPECT_EQ(response.header("Content-Type"), "image/png\n");
}

TEST(SdkResponse, AFileThatIsNotThereIs404AndOneThatCannotBeOpenedAMistake) {
  ModuleUnderTest module([](Module& m) { m.get("/", [](auto&, auto& r) { r.file("/srv/a.png"); }); });
  for (const int missing : {ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG}) {
    module.host.open_error = missing;
    EXPECT_EQ(module.host.call("/").status, 404) << missing;
  }
  module.host.open_error = EACCES;
  EXPECT_THAT(module.host.call("/").failed, Optional(HasSubstr("/srv/a.png: Permission denied")));
}

TEST(SdkResponse, WritesAreGatheredUntilTheyAreFlushed) {
  FakeResponse response = run_handler([](auto&, auto& r) { r.write("a").write("b"); });
  EXPECT_EQ(response.body, "ab");
  EXPECT_TRUE(response.flushed.empty());
  response = run_handler([](auto&, auto& r) {
    r.write("a");
    EXPECT_TRUE(r.flush());
    r.write("b");
  });
  EXPECT_THAT(response.flushed, ElementsAre("a"));
  EXPECT_EQ(response.body, "ab");
}

TEST(SdkResponse, FlushTellsThatTheClientIsGone) {
  ModuleUnderTest module([](Module& m) {
    m.get("/", [](const Request&, Response& r) {
      int lines = 0;
      while (++lines < 10 && r.write("line\n").flush()) {
      }
      if (lines != 1) throw std::logic_error("went on");
    });
  });
  module.host.client_is_there = false;
  EXPECT_EQ(module.host.call("/").failed, std::nullopt);
}

TEST(SdkResponse, AnErrorReplacesWhatWasSet) {
  const FakeResponse response = run_handler([](auto&, auto& r) {
    r.header("Cache-Control", "max-age=3600");
    r.text("a page");
    throw HttpError(404, "no such page");
  });
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.header("Cache-Control"), "");
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.error_detail, "no such page");
  EXPECT_EQ(response.failed, std::nullopt);
}

TEST(SdkResponse, ASlowClientNeedsNotBeWaitedFor) {
  std::vector<Flushed> flushed;
  ModuleUnderTest module([&](Module& m) {
    m.get("/", [&](const Request&, Response& r) {
      r.write("a");
      flushed.push_back(r.try_flush());
      EXPECT_TRUE(r.streams());
    });
  });
  module.host.call("/");
  module.host.client_is_slow = true;
  EXPECT_TRUE(module.host.call("/").flushed.empty());
  module.host.client_is_slow = module.host.client_is_there = false;
  module.host.call("/");
  EXPECT_THAT(flushed, ElementsAre(Flushed::kDone, Flushed::kFull, Flushed::kGone));
}

TEST(SdkResponse, SaysWhetherTheClientIsGone) {
  ModuleUnderTest module([](Module& m) {
    m.get("/", [](const Request&, Response& r) { r.text(r.client_gone() ? "gone" : "there"); });
  });
  EXPECT_EQ(module.host.call("/").body, "there");
  module.host.client_is_there = false;
  EXPECT_EQ(module.host.call("/").body, "gone");
}

}  // namespace
}  // namespace baton::test
