#include "common/http/negotiate.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

namespace baton::http {
namespace {

Request make_request(std::string_view name, std::initializer_list<std::string_view> values) {
  Request request;
  for (const std::string_view value : values) request.fields.push_back({name, value});
  return request;
}

TEST(AcceptedCodings, FollowsTheField) {
  struct Case {
    const char* value;
    bool brotli;
    bool gzip;
  };
  const Case cases[] = {
      {"", false, false},
      {"gzip", false, true},
      {"br", true, false},
      {"gzip, deflate, br, zstd", true, true},
      {"GZIP, Br", true, true},
      {"x-gzip", false, true},
      {"X-GZip;q=0.5", false, true},
      {"identity", false, false},
      {"identity;q=0", false, false},
      {"deflate", false, false},
      {"gzipped, brr, b", false, false},
      {"*", true, true},
      {"*;q=0", false, false},
      {"*;q=0, gzip", false, true},
      {"gzip, *;q=0", false, true},
      {"*, br;q=0", false, true},
      {"br;q=0, *;q=0.1", false, true},
      {"br;q=0", false, false},
      {"br;q=0.0", false, false},
      {"br;q=0.000", false, false},
      {"br;q=0.", false, false},
      {"br;q=0.001", true, false},
      {"br;q=1.000", true, false},
      {"br ; q=1", true, false},
      {"br;Q=0", false, false},
      {"br;\tq=0.5 , gzip;q=1.", true, true},
      {",, gzip ,", false, true},
      // Malformed weights.
      {"br;q=1.001, gzip", false, true},
      {"br;q=2", false, false},
      {"br;q=-1", false, false},
      {"br;q=0.1234", false, false},
      {"br;q=.5", false, false},
      {"br;q=", false, false},
      {"br;q=a", false, false},
      {"br;q=0,5", false, false},
      {"br;q=0.5x", false, false},
      {";q=1", false, false},
  };
  for (const Case& c : cases) {
    const AcceptedCodings codings = accepted_codings(make_request("Accept-Encoding", {c.value}));
    EXPECT_EQ(codings.brotli, c.brotli) << c.value;
    EXPECT_EQ(codings.gzip, c.gzip) << c.value;
  }
}

TEST(AcceptedCodings, AbsentMeansIdentityOnly) {
  const AcceptedCodings codings = accepted_codings(make_request("Accept", {"br, gzip"}));
  EXPECT_FALSE(codings.brotli);
  EXPECT_FALSE(codings.gzip);
}

TEST(AcceptedCodings, JoinsSeveralFields) {
  const AcceptedCodings codings = accepted_codings(make_request("accept-encoding", {"*", "br;q=0"}));
  EXPECT_FALSE(codings.brotli);
  EXPECT_TRUE(codings.gzip);
}

TEST(PrefersJson, FollowsTheField) {
  struct Case {
    const char* value;
    bool expected;
  };
  const Case cases[] = {
      {"", false},
      {"*/*", false},
      {"application/json", true},
      {"Application/JSON", true},
      {"application/json; charset=utf-8", true},
      {"application/*", true},
      {"application/json, text/plain, */*", false},  // */* gives HTML the same weight
      {"application/json, */*;q=0.8", true},
      {"application/json;q=0.9, */*;q=0.8", true},
      {"application/json;q=0.7, */*;q=0.8", false},
      {"text/html", false},
      {"text/html, application/json", false},
      {"text/html;q=0.9, application/json", true},
      {"text/html, application/json;q=0.9", false},
      {"text/html;q=0.5, application/json;q=0.501", true},
      {"text/*;q=0.5, application/json;q=0.6", true},
      {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
      {"application/json;q=0", false},
      {"application/*;q=0.9, application/json;q=0.1, text/html;q=0.5",
       false},  // the most specific range counts
      {"application/json;q=0.1, application/*;q=0.9, text/html;q=0.5", false},
      {"*/*;q=0.1, text/html;q=0", true},
      {"text/html;q=0, */*;q=0.1", true},
      {"text/*;q=0.2, */*;q=0.4", true},
      {"application/json;q=1.5", false},
      {"application/json;v=\"a,b;q=0\"", true},
      {"application/json;v=\"a\";q=0, */*", false},
      {"application/jsonp", false},
      {"application/problem+json", false},
      {"json", false},
      {"/", false},
      {"*", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(prefers_json(make_request("Accept", {c.value})), c.expected) << c.value;
}

TEST(PrefersJson, JoinsSeveralFieldsAndNeedsOne) {
  EXPECT_FALSE(prefers_json(make_request("accept", {})));
  EXPECT_TRUE(prefers_json(make_request("accept", {"text/html;q=0.3", "application/json"})));
}

}  // namespace
}  // namespace baton::http
