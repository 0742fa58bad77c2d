// Rows 1 to 26: the request line, Host and the fields.
#include <gtest/gtest.h>

#include "tests/integration/http_cases.h"

namespace baton::test {

namespace {

using std::string_literals::operator""s;

std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: localhost\r\n\r\n";
}

std::string target(const std::string& text) {
  return line("GET " + text + " HTTP/1.1");
}

std::string host(const std::string& value) {
  return "GET /ok HTTP/1.1\r\nHost: " + value + "\r\n\r\n";
}

std::string fields(const std::string& lines) {
  return "GET /ok HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n";
}

std::string many_fields(int count, std::size_t value_bytes) {
  std::string lines;
  for (int i = 0; i < count; ++i)
    lines += "X-" + std::to_string(i) + ": " + std::string(value_bytes, 'v') + "\r\n";
  return lines;
}

void names_what_it_allows(const Response& response) {
  EXPECT_NE(response.field("allow").find("GET"), std::string::npos);
}

void is_of_the_other_site(const Response& response) {
  EXPECT_EQ(response.body, "other\n");
}

void is_of_the_default_site(const Response& response) {
  EXPECT_EQ(response.body, "ok\n");
}

void has_no_body(const Response& response) {
  EXPECT_EQ(response.body, "");
  EXPECT_FALSE(response.has("content-length") && response.field("content-length") != "0");
}

}  // namespace

std::vector<HttpCase> request_line_cases() {
  const auto kKeeps = After::kKeeps;
  const auto kEither = After::kEither;
  return {
      {1, "NoVersion", "GET /\r\n\r\n", 400},
      {2, "NoTarget", line("GET  HTTP/1.1"), 400},
      {3, "TabAfterMethod", line("GET\t/ok HTTP/1.1"), 400},
      {3, "TabAfterTarget", line("GET /ok\tHTTP/1.1"), 400},
      {3, "FormFeed", line("GET\f/ok HTTP/1.1"), 400},
      {3, "CrBetween", line("GET\r/ok HTTP/1.1"), 400},
      {3, "TwoSpacesAfterMethod", line("GET  /ok HTTP/1.1"), 400},
      {3, "TwoSpacesAfterTarget", line("GET /ok  HTTP/1.1"), 400},
      {3, "SpaceInFront", line(" GET /ok HTTP/1.1"), 400},
      {3, "SpaceBehind", line("GET /ok HTTP/1.1 "), 400},
      {4, "ParenthesisInMethod", line("GE(T /ok HTTP/1.1"), 400},
      {4, "NulInMethod", line("G\0ET /ok HTTP/1.1"s), 400},
      {4, "Utf8InMethod", line("G\xc3\x89T /ok HTTP/1.1"), 400},
      {5, "UnknownMethod", line("BREW /ok HTTP/1.1"), 501, kEither},
      {5, "LowerCaseMethod", line("get /ok HTTP/1.1"), 501, kEither},
      {5, "DeleteOfFile", line("DELETE /letters.txt HTTP/1.1"), 405, kKeeps, names_what_it_allows},
      {5, "Trace", line("TRACE /ok HTTP/1.1"), 405, kKeeps, names_what_it_allows},
      {5, "Connect", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 405, kEither,
       names_what_it_allows},
      {6, "Version111", line("GET /ok HTTP/1.11"), 400},
      {6, "Version100", line("GET /ok HTTP/1.00"), 400},
      {7, "LowerCaseVersion", line("GET /ok http/1.1"), 400},
      {7, "NoMinor", line("GET /ok HTTP/1."), 400},
      {7, "SpaceInVersion", line("GET /ok HTTP/ 1.1"), 400},
      {8, "Version20", line("GET /ok HTTP/2.0"), 505, kEither},
      {8, "Version99", line("GET /ok HTTP/9.9"), 505, kEither},
      {8, "Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {9, "Version12", line("GET /ok HTTP/1.2"), 200, kKeeps},
      {10, "EmptyLinesInFront", "\r\n\r\n" + target("/ok"), 200, kKeeps},
      {11, "GetAsterisk", target("*"), 400},
      {11, "OptionsAsterisk", line("OPTIONS * HTTP/1.1"), 204, kKeeps, has_no_body},
      {12, "AuthorityForm", target("localhost:80"), 400},
      {13, "TargetHostWins", "GET http://other.example/p HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, kKeeps,
       is_of_the_other_site},
      {13, "TargetHostWinsBack", "GET http://localhost/ok HTTP/1.1\r\nHost: other.example\r\n\r\n", 200,
       kKeeps, is_of_the_default_site},
      {14, "AbsoluteWithoutHost", target("http:///"), 400},
      {14, "AbsoluteWithUser", target("http://user@localhost/"), 400},
      {15, "NulInTarget", target("/o\0k"s), 400},
      {15, "ControlInTarget", target("/o\x01k"), 400},
      {15, "DelInTarget", target("/o\x7fk"), 400},
      {15, "EncodedNul", target("/ok%00"), 400},
      {15, "EncodedNulInQuery", target("/ok?a=%00"), 400},
      {15, "RawUtf8", target("/ok?\xc3\xa9"), 200, kKeeps},
      {15, "RawBytes", target("/ok?\x80\xff\"<>[\\]^`{|}"), 200, kKeeps},
      {15, "RawUtf8InTheTargetsHost", target("http://h\xc3\xa9/ok"), 400},
      {15, "Fragment", target("/ok#top"), 400},
      {16, "LongTarget", target("/ok?" + std::string(7'996, 'q')), 200, kKeeps},
      {16, "TargetTooLong", target("/" + std::string(9'000, 'p')), 414},
      {16, "TargetBeyondTheHead", target("/" + std::string(20'000, 'p')), 414},
  };
}

std::vector<HttpCase> host_and_field_cases() {
  const auto kKeeps = After::kKeeps;
  std::vector<HttpCase> cases = {
      {17, "NoHost", "GET /ok HTTP/1.1\r\n\r\n", 400},
      {17, "TwoHosts", fields("Host: other.example\r\n"), 400},
      {17, "SameHostTwice", fields("Host: localhost\r\n"), 400},
      {17, "NoHostIn10", "GET /ok HTTP/1.0\r\n\r\n", 200},
      {18, "PortNotDigits", host("h:port"), 400},
      {18, "NegativePort", host("h:-1"), 400},
      {18, "UserInHost", host("user@h"), 400},
      {18, "HighByteInHost", host("\xff"), 400},
      {18, "BraceInHost", host("{"), 400},
      {18, "BracketUnclosed", host("[::1"), 400},
      {18, "BracketNoAddress", host("[..]."), 400},
      {18, "BracketInside", host("x[::1]"), 400},
      {18, "PathInHost", host("h/p"), 400},
      {18, "ListOfHosts", host("a, b"), 400},
      {19, "Ipv6WithPort", host("[::1]:80"), 200, kKeeps},
      {19, "Underscore", host("foo_bar"), 200, kKeeps},
      {19, "TrailingDot", host("localhost."), 200, kKeeps},
      {19, "EmptyPort", host("h:"), 200, kKeeps},
      {20, "SpaceBeforeColon", fields("X-A : 1\r\n"), 400},
      {20, "TabBeforeColon", fields("X-A\t: 1\r\n"), 400},
      {20, "NoColon", fields("X-A\r\n"), 400},
      {20, "EmptyName", fields(": 1\r\n"), 400},
      {21, "AtInName", fields("Fo@: 1\r\n"), 400},
      {21, "BracketsInName", fields("X[]: 1\r\n"), 400},
      {21, "HighByteInName", fields("X\xef: 1\r\n"), 400},
      {22, "SpaceBeforeFirstField", "GET /ok HTTP/1.1\r\n Host: localhost\r\n\r\n", 400},
      {22, "TabBeforeFirstField", "GET /ok HTTP/1.1\r\n\tX: 1\r\nHost: localhost\r\n\r\n", 400},
      {22, "ObsoleteFold", fields("X: a\r\n b\r\n"), 400},
      {22, "ObsoleteFoldWithTab", fields("X: a\r\n\tb\r\n"), 400},
      {23, "NulInValue", fields("X: a\0b\r\n"s), 400},
      {23, "BareCrInValue", fields("X: a\rb\r\n"), 400},
      {23, "CrBeforeCrlf", fields("X: v\r\r\n"), 400},
      {23, "ControlInValue", fields("X: a\x02\r\n"), 400},
      {23, "DelInValue", fields("X: a\x7f\r\n"), 400},
      {24, "HighBytesInValue", fields("X: \x80\xfe\xff\r\n"), 200, kKeeps},
      {24, "TabAroundValue",
       "POST /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: \t 12 \t\r\n\r\nhello, world", 200, kKeeps},
      {24, "EmptyValue", fields("X:\r\n"), 200, kKeeps},
      {25, "OneFieldTooLong", fields(many_fields(1, 17'000)), 431},
      {25, "AllFieldsTooLong", fields(many_fields(40, 500)), 431},
      {25, "TooManyFields", fields(many_fields(101, 1)), 431},
      {25, "HeaderFlood", fields(many_fields(900, 8)), 431},
      {25, "ManyFields", fields(many_fields(90, 100)), 200, kKeeps},
      {26, "LfAfterRequestLine", "GET /ok HTTP/1.1\nHost: localhost\r\n\r\n", 400},
      {26, "LfAfterField", "GET /ok HTTP/1.1\r\nHost: localhost\n\r\n", 400},
      {26, "LfAsEmptyLine", "GET /ok HTTP/1.1\r\nHost: localhost\r\n\n", 400},
      {26, "LfOnly", "GET /ok HTTP/1.1\nHost: localhost\n\n", 400},
      {26, "LfInFront", "\n" + target("/ok"), 400},
  };
  return cases;
}

}  // namespace baton::test
