// What a client's JSON may get wrong, and what it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sdk/module_under_test.h"

namespace baton::test {
namespace {

using testing::ElementsAre;
using testing::Pair;

struct Point {
  int x = 0;
  int y = 0;
};
void from_json(const nlohmann::json& json, Point& point) {
  json.at("x").get_to(point.x);
  json.at("y").get_to(point.y);
}

constexpr const char* kOrder = R"({
  "name": "x", "paid": true, "none": null, "count": 300, "less": -1, "half": 0.5, "huge": 1e300,
  "items": [{"price": 1}, {"price": 2.5}, {"price": "3"}], "tags": ["a", "b"], "of": {"a": 1, "b": 2},
  "at": {"x": 1, "y": 2}, "off": {"x": 1, "y": "2"}, "a/b~c": 1})";

// What is read of kOrder, by a handler.
template <typename Read>
void read(Read read) {
  FakeRequest request;
  request.body = kOrder;
  bool done = false;
  const FakeResponse response = run_handler(
      [&](auto& q, auto&) {
        read(q.input());
        done = true;
      },
      request);
  EXPECT_TRUE(done) << response.error_detail.value_or(response.failed.value_or(""));
}

// What the client is told of a mistake; "" when there is none, or it is taken for the handler's.
template <typename Read>
std::string complaint(Read read, const std::string& body = kOrder) {
  FakeRequest request;
  request.body = body;
  const FakeResponse response =
      run_handler([&](auto& q, auto&) { static_cast<void>(read(q.input())); }, request);
  EXPECT_EQ(response.failed, std::nullopt);
  return response.status == 400 ? response.error_detail.value_or("") : "";
}

TEST(SdkInput, ReadsWhatIsThere) {
  read([](const Input& in) {
    EXPECT_EQ(in["name"].get<std::string>(), "x");
    EXPECT_EQ(in.get<std::string_view>("name"), "x");
    EXPECT_TRUE(in.get<bool>("paid"));
    EXPECT_EQ(in.get<std::uint16_t>("count"), 300);
    EXPECT_EQ(in.get<std::int8_t>("less"), -1);
    EXPECT_EQ(in.get<double>("count"), 300.0);
    EXPECT_EQ(in.get<float>("half"), 0.5F);
    EXPECT_EQ(in["items"][1].get<double>("price"), 2.5);
    EXPECT_THAT(in.get<std::vector<std::string>>("tags"), ElementsAre("a", "b"));
    EXPECT_THAT((in.get<std::map<std::string, int>>("of")), ElementsAre(Pair("a", 1), Pair("b", 2)));
    EXPECT_EQ(in.get<Point>("at").y, 2);
    EXPECT_EQ(in["items"].elements().size(), 3U);
    EXPECT_EQ(in["of"].members()[1].first, "b");
    EXPECT_EQ(in["tags"].json(), (nlohmann::json{"a", "b"}));
  });
}

TEST(SdkInput, WhatMayBeMissing) {
  read([](const Input& in) {
    EXPECT_EQ(in.find("no"), std::nullopt);
    EXPECT_TRUE(in.find("none"));
    EXPECT_EQ(in.get<std::optional<int>>("no"), std::nullopt);
    EXPECT_EQ(in.get<std::optional<int>>("none"), std::nullopt);
    EXPECT_EQ(in.get<std::optional<int>>("count"), 300);
    EXPECT_EQ(in.get<int>("no", 7), 7);
    EXPECT_EQ(in.get<std::string>("name", "y"), "x");
  });
  EXPECT_EQ(complaint([](auto in) { return in.template get<int>("name", 7); }).substr(0, 6), "/name:");
}

TEST(SdkInput, SaysWhereAndWhat) {
  const auto price = [](auto in) { return in["items"][2].template get<double>("price"); };
  EXPECT_EQ(complaint(price), "/items/2/price: a number was expected, not a string");
  EXPECT_EQ(complaint([](auto in) { return in["no"]; }), "/no is missing");
  EXPECT_EQ(complaint([](auto in) { return in["items"][3]; }), "/items/3 is missing");
  EXPECT_EQ(complaint([](auto in) { return in["items"]["x"]; }),
            "/items: an object was expected, not an array");
  EXPECT_EQ(complaint([](auto in) { return in[0]; }), "the JSON: an array was expected, not an object");
  EXPECT_EQ(complaint([](auto in) { return in["none"].elements(); }),
            "/none: an array was expected, not null");
  EXPECT_EQ(complaint([](auto in) { return in["a/b~c"].template get<bool>(); }),
            "/a~1b~0c: true or false was expected, not 1");
  EXPECT_EQ(complaint([](auto in) { return in["paid"].template get<std::string>(); }),
            "/paid: a string was expected, not true");
  EXPECT_EQ(complaint([](auto in) { return in.template get<std::vector<int>>("tags"); }),
            "/tags/0: a whole number from -2147483648 to 2147483647 was expected, not a string");
  EXPECT_EQ(complaint([](auto in) { return in.template get<Point>("off"); }),
            "/off: type must be number, but is string");
  EXPECT_EQ(complaint([](auto in) -> int { throw in["name"].bad("is taken"); }), "/name: is taken");
}

TEST(SdkInput, NumbersFit) {
  EXPECT_EQ(complaint([](auto in) { return in.template get<std::uint8_t>("count"); }),
            "/count: a whole number from 0 to 255 was expected, not 300");
  EXPECT_NE(complaint([](auto in) { return in.template get<unsigned>("less"); }), "");
  EXPECT_NE(complaint([](auto in) { return in.template get<int>("half"); }), "");
  EXPECT_NE(complaint([](auto in) { return in.template get<float>("huge"); }), "");
  const auto whole = [](auto in) { return in.template get<std::int64_t>(); };
  EXPECT_EQ(complaint(whole, "9223372036854775807"), "");
  EXPECT_NE(complaint(whole, "9223372036854775808"), "");
  EXPECT_EQ(complaint(whole, "-9223372036854775808"), "");
  EXPECT_NE(complaint(whole, "99999999999999999999"), "");
}

TEST(SdkInput, MembersThatNobodyAskedFor) {
  EXPECT_EQ(complaint([](auto in) { return in["of"].allow_only({"a", "b", "c"}), 0; }), "");
  EXPECT_EQ(complaint([](auto in) { return in["of"].allow_only({"b"}), 0; }), "/of/a is not known here");
  EXPECT_EQ(complaint([](auto in) { return in["tags"].allow_only({}), 0; }),
            "/tags: an object was expected, not an array");
}

TEST(SdkInput, ALongNameIsCutAtACharacter) {
  std::string name = "x";
  for (int i = 0; i < 1'000; ++i) name += "\xc3\xa4";
  const std::string said = complaint([](auto in) { return in.template get<std::map<std::string, int>>(); },
                                     nlohmann::json{{name, "y"}}.dump());
  EXPECT_EQ(said.substr(0, 67), "/" + name.substr(0, 61) + "...: ");
}

TEST(SdkInput, TheHandlersOwnJsonIsItsOwnMistake) {
  const auto own = [](auto& q, auto&) {
    static_cast<void>(q.input());
    const nlohmann::json mine = {{"x", 1}};
    static_cast<void>(mine.at("y"));
  };
  FakeRequest request;
  request.body = kOrder;
  EXPECT_TRUE(run_handler(own, request).failed);
}

}  // namespace
}  // namespace baton::test
