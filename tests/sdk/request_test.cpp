#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/sdk/module_under_test.h"

namespace baton::test {
namespace {

using testing::HasSubstr;
using testing::Optional;

// Runs `check` as a handler on the request; what it throws would be the response's, and fails the test.
template <typename Check>
void with_request(const FakeRequest& request, Check check) {
  const FakeResponse response = run_handler([&](const Request& q, Response&) { check(q); }, request);
  EXPECT_EQ(response.failed, std::nullopt);
  EXPECT_EQ(response.status, 200);
}

TEST(SdkRequest, TellsWhatTheClientSent) {
  FakeRequest request;
  request.method = "PUT";
  request.target = "/api/a%20b?x=1";
  request.path = "/api/a b";
  request.mount = "/api";
  request.query = "x=1";
  request.body = std::string("\0bytes", 6);
  with_request(request, [&](const Request& q) {
    EXPECT_EQ(q.method(), "PUT");
    EXPECT_EQ(q.target(), "/api/a%20b?x=1");
    EXPECT_EQ(q.path(), "/api/a b");
    EXPECT_EQ(q.mount(), "/api");
    EXPECT_EQ(q.query_string(), "x=1");
    EXPECT_EQ(q.host(), "example.com");
    EXPECT_EQ(q.peer(), "192.0.2.1");
    EXPECT_EQ(q.http_minor(), 1U);
    EXPECT_EQ(q.body(), std::string("\0bytes", 6));
  });
}

TEST(SdkRequest, ParametersOfThePath) {
  FakeRequest request;
  request.params = {{"id", "42"}, {"rest", "a/b"}, {"big", "300"}, {"signed", "-1"}};
  with_request(request, [&](const Request& q) {
    EXPECT_EQ(q.param("id"), "42");
    EXPECT_EQ(q.param<int>("id"), 42);
    EXPECT_EQ(q.param<std::int64_t>("signed"), -1);
    EXPECT_EQ(q.param("rest"), "a/b");
  });
}

TEST(SdkRequest, AParameterThatIsNoNumberIs404) {
  FakeRequest request;
  for (const std::string value : {"x", "", "1x", " 1", "+1", "-1", "256", "99999999999999999999"}) {
    request.params = {{"id", value}};
    EXPECT_EQ(run_handler([](auto& q, auto&) { (void)q.template param<std::uint8_t>("id"); }, request).status,
              404)
        << value;
  }
}

TEST(SdkRequest, AParameterThatThePatternDoesNotHaveIsAMistakeOfTheModule) {
  const FakeResponse response = run_handler([](auto& q, auto& r) { r.text(q.param("no")); });
  EXPECT_THAT(response.failed, Optional(HasSubstr("no parameter \"no\"")));
}

TEST(SdkRequest, QueryParameters) {
  FakeRequest request;
  request.query = "page=2&q=a+b%21&empty=&flag&page=3";
  with_request(request, [&](const Request& q) {
    EXPECT_THAT(q.query("q"), Optional(std::string_view("a b!")));
    EXPECT_THAT(q.query("page"), Optional(std::string_view("2")));
    EXPECT_THAT(q.query<int>("page"), Optional(2));
    EXPECT_THAT(q.query("empty"), Optional(std::string_view()));
    EXPECT_THAT(q.query("flag"), Optional(std::string_view()));
    EXPECT_EQ(q.query("other"), std::nullopt);
    EXPECT_EQ(q.query<int>("other"), std::nullopt);
    EXPECT_EQ(q.queries().size(), 5U);
  });
  const FakeResponse response =
      run_handler([](auto& q, auto&) { (void)q.template query<int>("q"); }, request);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.error_detail, Optional(HasSubstr("q is to be a whole number")));
}

TEST(SdkRequest, HeadersAreFoundWithoutRegardToCase) {
  FakeRequest request;
  request.headers = {{"Accept", "text/html"}, {"X-Two", "1"}, {"x-two", "2"}};
  with_request(request, [&](const Request& q) {
    EXPECT_THAT(q.header("aCCEPT"), Optional(std::string_view("text/html")));
    EXPECT_THAT(q.header("X-TWO"), Optional(std::string_view("1")));
    EXPECT_EQ(q.header("X-Tw"), std::nullopt);
    ASSERT_EQ(q.headers().size(), 3U);
    EXPECT_EQ(q.headers()[2].name, "x-two");
    EXPECT_EQ(q.headers()[2].value, "2");
  });
}

TEST(SdkRequest, Cookies) {
  FakeRequest request;
  request.headers = {{"Cookie", " a=1; b=\"two\" ;c==; junk; =x; A=upper;a=second"}, {"cookie", "d=\""}};
  with_request(request, [&](const Request& q) {
    EXPECT_THAT(q.cookie("a"), Optional(std::string_view("1")));
    EXPECT_THAT(q.cookie("A"), Optional(std::string_view("upper")));
    EXPECT_THAT(q.cookie("b"), Optional(std::string_view("two")));
    EXPECT_THAT(q.cookie("c"), Optional(std::string_view("=")));
    EXPECT_THAT(q.cookie("d"), Optional(std::string_view("\"")));
    EXPECT_EQ(q.cookie("junk"), std::nullopt);
    EXPECT_EQ(q.cookies().size(), 6U);
  });
}

TEST(SdkRequest, SaysWhetherTheWorkerIsToGo) {
  ModuleUnderTest module([](Module& m) {
    m.get("/", [](const Request& q, Response& r) { r.text(q.stopping() ? "stopping" : "serving"); });
  });
  EXPECT_EQ(module.host.call("/").body, "serving");
  module.host.is_stopping = true;
  EXPECT_EQ(module.host.call("/").body, "stopping");
}

TEST(SdkRequest, Json) {
  FakeRequest request;
  request.body = R"({"title": "x", "n": [1, 2]})";
  with_request(request, [&](const Request& q) { EXPECT_EQ(q.json()["n"][1], 2); });
}

TEST(SdkRequest, WhatIsNoJsonIs400) {
  const auto status = [](const std::string& body) {
    FakeRequest request;
    request.body = body;
    const FakeResponse response = run_handler([](auto& q, auto& r) { r.json(q.json()); }, request);
    EXPECT_EQ(response.failed, std::nullopt);
    return response.status;
  };
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status("{"), 400);
  EXPECT_EQ(status("[1] x"), 400);
  EXPECT_EQ(status("\"\xff\""), 400);
  EXPECT_EQ(status(std::string(100, '[') + std::string(100, ']')), 200);
  EXPECT_EQ(status(std::string(101, '[') + std::string(101, ']')), 400);
  EXPECT_EQ(status(std::string(1'000'000, '[')), 400);
  EXPECT_EQ(status("1e999"), 400);
  EXPECT_EQ(status(R"({"a": [-1e999]})"), 400);
  EXPECT_EQ(status(std::string(1'000'000, '9')), 400);
  EXPECT_EQ(status("1e-999"), 200);
}

TEST(SdkRequest, FormIsReadOnceAndItsErrorsAreResponses) {
  FakeRequest request;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = "title=x+y";
  with_request(request, [&](const Request& q) {
    EXPECT_THAT(q.form().field("title"), Optional(std::string_view("x y")));
    EXPECT_EQ(&q.form(), &q.form());
  });
  request.headers = {};
  EXPECT_EQ(run_handler([](auto& q, auto&) { (void)q.form(); }, request).status, 415);
}

}  // namespace
}  // namespace baton::test
