#include "common/http/conditional.h"

#include <gtest/gtest.h>

#include <vector>

namespace baton::http {
namespace {

constexpr std::time_t kModified = 784111777;  // kSame
constexpr std::time_t kNow = 1'767'225'600;
constexpr std::string_view kSame = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr std::string_view kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";
constexpr Validators kStrong = {"\"a\"", kModified};
constexpr Validators kWeak = {"W/\"a\"", kModified};

constexpr auto kProceed = Precondition::kProceed;
constexpr auto kNotModified = Precondition::kNotModified;
constexpr auto kFailed = Precondition::kFailed;

Request make_request(Method method, const std::vector<Field>& fields) {
  Request request;
  request.method = method;
  request.fields.assign(fields.begin(), fields.end());
  return request;
}

struct Case {
  Method method;
  std::vector<Field> fields;
  Validators validators;
  Precondition expected;
};

void check(const std::vector<Case>& cases) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const Request request = make_request(c.method, c.fields);
    EXPECT_EQ(evaluate_preconditions(request, c.validators, kNow), c.expected)
        << "case " << i << ": " << (c.fields.empty() ? "" : c.fields[0].name) << ": "
        << (c.fields.empty() ? "" : c.fields[0].value);
  }
}

TEST(Preconditions, ProceedsWithoutConditions) {
  check({{Method::kGet, {}, kStrong, kProceed}, {Method::kPut, {{"Range", "bytes=0-1"}}, kStrong, kProceed}});
}

TEST(Preconditions, IfMatchComparesStrongly) {
  check({
      {Method::kGet, {{"If-Match", "\"a\""}}, kStrong, kProceed},
      {Method::kPut, {{"if-match", "\"b\", \"a\""}}, kStrong, kProceed},
      {Method::kPut, {{"If-Match", "\"b\""}, {"If-Match", "\"a\""}}, kStrong, kProceed},
      {Method::kPut, {{"If-Match", "*"}}, kStrong, kProceed},
      {Method::kPut, {{"If-Match", " * ,"}}, kStrong, kProceed},
      {Method::kPut, {{"If-Match", "*"}}, {}, kProceed},
      {Method::kGet, {{"If-Match", "\"b\""}}, kStrong, kFailed},
      {Method::kHead, {{"If-Match", "\"b\""}}, kStrong, kFailed},
      {Method::kPut, {{"If-Match", "\"A\""}}, kStrong, kFailed},
      {Method::kPut, {{"If-Match", "a"}}, kStrong, kFailed},
      {Method::kPut, {{"If-Match", ""}}, kStrong, kFailed},
      {Method::kPut, {{"If-Match", "W/\"a\""}}, kStrong, kFailed},
      {Method::kPut, {{"If-Match", "\"a\""}}, kWeak, kFailed},
      {Method::kPut, {{"If-Match", "W/\"a\""}}, kWeak, kFailed},
      {Method::kPut, {{"If-Match", "*, \"b\""}}, kStrong, kFailed},
      {Method::kPut, {{"If-Match", "\"\""}}, {}, kFailed},
  });
}

TEST(Preconditions, IfNoneMatchComparesWeakly) {
  check({
      {Method::kGet, {{"If-None-Match", "\"a\""}}, kStrong, kNotModified},
      {Method::kHead, {{"If-None-Match", "\"a\""}}, kStrong, kNotModified},
      {Method::kGet, {{"If-None-Match", "W/\"a\""}}, kStrong, kNotModified},
      {Method::kGet, {{"If-None-Match", "\"a\""}}, kWeak, kNotModified},
      {Method::kGet, {{"If-None-Match", "W/\"a\""}}, kWeak, kNotModified},
      {Method::kGet, {{"If-None-Match", "\"b\" , W/\"a\""}}, kStrong, kNotModified},
      {Method::kGet, {{"If-None-Match", "\"b\""}, {"If-None-Match", "\"a\""}}, kStrong, kNotModified},
      {Method::kGet, {{"If-None-Match", "*"}}, kStrong, kNotModified},
      {Method::kPut, {{"If-None-Match", "*"}}, kStrong, kFailed},
      {Method::kPost, {{"If-None-Match", "\"a\""}}, kStrong, kFailed},
      {Method::kDelete, {{"If-None-Match", "\"a\""}}, kStrong, kFailed},
      {Method::kPut, {{"If-None-Match", "\"b\""}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", "\"b\""}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", "a"}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", "w/\"a\""}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", "\"a"}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", ""}}, kStrong, kProceed},
  });
}

TEST(Preconditions, TagsHoldCommasAndBackslashes) {
  const Validators commas = {"\"x, \"", kModified};
  const Validators backslash = {"\"x\\\"", kModified};
  check({
      {Method::kGet, {{"If-None-Match", "\"y, z\", \"x, \""}}, commas, kNotModified},
      {Method::kGet, {{"If-None-Match", "\"x\""}}, commas, kProceed},
      {Method::kGet, {{"If-None-Match", "\"y\\\", \"x\\\""}}, backslash, kNotModified},
      {Method::kPut, {{"If-Match", "\"y,\\\",\"x\\\""}}, backslash, kProceed},
  });
}

TEST(Preconditions, IfModifiedSinceIsForReading) {
  check({
      {Method::kGet, {{"If-Modified-Since", kSame}}, kStrong, kNotModified},
      {Method::kHead, {{"If-Modified-Since", kAfter}}, kStrong, kNotModified},
      {Method::kGet, {{"If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"}}, kStrong, kNotModified},
      {Method::kGet, {{"If-Modified-Since", "Sun Nov  6 08:49:37 1994"}}, kStrong, kNotModified},
      {Method::kGet, {{"If-Modified-Since", kBefore}}, kStrong, kProceed},
      {Method::kPost, {{"If-Modified-Since", kSame}}, kStrong, kProceed},
      {Method::kGet, {{"If-Modified-Since", "yesterday"}}, kStrong, kProceed},
      {Method::kGet, {{"If-Modified-Since", ""}}, kStrong, kProceed},
      {Method::kGet, {{"If-Modified-Since", kSame}, {"If-Modified-Since", kSame}}, kStrong, kProceed},
      {Method::kGet, {{"If-Modified-Since", kSame}}, {"\"a\"", 0}, kProceed},
  });
}

TEST(Preconditions, IfUnmodifiedSinceFailsForEveryMethod) {
  check({
      {Method::kGet, {{"If-Unmodified-Since", kBefore}}, kStrong, kFailed},
      {Method::kPut, {{"If-Unmodified-Since", kBefore}}, kStrong, kFailed},
      {Method::kPut, {{"If-Unmodified-Since", kSame}}, kStrong, kProceed},
      {Method::kPut, {{"If-Unmodified-Since", kAfter}}, kStrong, kProceed},
      {Method::kPut, {{"If-Unmodified-Since", "Sun, 31 Feb 1994 08:49:37 GMT"}}, kStrong, kProceed},
      {Method::kPut, {{"If-Unmodified-Since", kBefore}, {"If-Unmodified-Since", kSame}}, kStrong, kProceed},
      {Method::kPut, {{"If-Unmodified-Since", kBefore}}, {"\"a\"", 0}, kProceed},
  });
}

TEST(Preconditions, TakesThemInTheOrderOfTheStandard) {
  check({
      // If-Match silences If-Unmodified-Since; If-None-Match silences If-Modified-Since.
      {Method::kGet, {{"If-Match", "\"a\""}, {"If-Unmodified-Since", kBefore}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", "\"b\""}, {"If-Modified-Since", kSame}}, kStrong, kProceed},
      {Method::kGet, {{"If-None-Match", "\"a\""}, {"If-Modified-Since", kBefore}}, kStrong, kNotModified},
      {Method::kGet, {{"If-None-Match", ""}, {"If-Modified-Since", kSame}}, kStrong, kProceed},
      // 412 comes before 304, and a passed first condition leaves the second to be asked.
      {Method::kGet, {{"If-None-Match", "\"a\""}, {"If-Match", "\"b\""}}, kStrong, kFailed},
      {Method::kGet, {{"If-None-Match", "\"a\""}, {"If-Match", "\"a\""}}, kStrong, kNotModified},
      {Method::kGet, {{"If-Modified-Since", kSame}, {"If-Unmodified-Since", kBefore}}, kStrong, kFailed},
      {Method::kGet, {{"If-Modified-Since", kSame}, {"If-Unmodified-Since", kSame}}, kStrong, kNotModified},
      {Method::kGet, {{"If-Match", "*"}, {"If-Modified-Since", kSame}}, kStrong, kNotModified},
  });
}

TEST(Preconditions, MethodsWithoutARepresentationProceed) {
  for (const Method method : {Method::kConnect, Method::kOptions, Method::kTrace}) {
    check({{method, {{"If-Match", "\"b\""}}, kStrong, kProceed},
           {method, {{"If-None-Match", "*"}}, kStrong, kProceed},
           {method, {{"If-Unmodified-Since", kBefore}}, kStrong, kProceed}});
  }
}

TEST(IfRange, HonoursRangeOnAStrongMatchOnly) {
  struct RangeCase {
    std::vector<Field> fields;
    Validators validators;
    std::time_t now;
    bool expected;
  };
  const std::vector<RangeCase> cases = {
      {{}, kStrong, kNow, true},
      {{{"If-Range", "\"a\""}}, kStrong, kNow, true},
      {{{"If-Range", "\"b\""}}, kStrong, kNow, false},
      {{{"If-Range", "W/\"a\""}}, kStrong, kNow, false},
      {{{"If-Range", "\"a\""}}, kWeak, kNow, false},
      {{{"If-Range", "W/\"a\""}}, kWeak, kNow, false},
      {{{"If-Range", "\"a\", \"b\""}}, kStrong, kNow, false},
      {{{"If-Range", "\"\""}}, {"", kModified}, kNow, false},
      {{{"If-Range", "*"}}, kStrong, kNow, false},
      {{{"If-Range", ""}}, kStrong, kNow, false},
      {{{"If-Range", "a"}}, kStrong, kNow, false},
      {{{"If-Range", "\"a\""}, {"If-Range", "\"a\""}}, kStrong, kNow, false},
      {{{"If-Range", kSame}}, kStrong, kNow, true},
      {{{"If-Range", kSame}}, kWeak, kNow, true},
      {{{"If-Range", kBefore}}, kStrong, kNow, false},
      {{{"If-Range", kAfter}}, kStrong, kNow, false},
      {{{"If-Range", kSame}}, kStrong, kModified + 1, true},
      {{{"If-Range", kSame}}, kStrong, kModified, false},
      {{{"If-Range", kSame}}, kStrong, kModified - 1, false},
      {{{"If-Range", "Thu, 01 Jan 1970 00:00:00 GMT"}}, {"\"a\"", 0}, kNow, false},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Request request = make_request(Method::kGet, cases[i].fields);
    EXPECT_EQ(if_range_allows(request, cases[i].validators, cases[i].now), cases[i].expected) << "case " << i;
  }
}

}  // namespace
}  // namespace baton::http
