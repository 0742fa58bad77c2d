// Host and authority (RFC 9112 3.2, RFC 9110 7.2).
#include "common/http/authority.h"

#include <gtest/gtest.h>

#include "tests/common/http/head_cases.h"

namespace baton::http {
namespace {

using namespace std::string_literals;

std::string host(const std::string& value) {
  return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n";
}

class Host : public ::testing::TestWithParam<HeadCase> {};

TEST_P(Host, LeadsToItsStatusHoweverItArrives) {
  expect_case(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Presence, Host,
    ::testing::Values(HeadCase{"missing", "GET / HTTP/1.1\r\n\r\n", 400},
                      HeadCase{"missing beside an absolute target", "GET http://h/ HTTP/1.1\r\n\r\n", 400},
                      HeadCase{"missing in 1.2", "GET / HTTP/1.2\r\n\r\n", 400},
                      HeadCase{"missing in 1.0", "GET / HTTP/1.0\r\n\r\n", 0},
                      HeadCase{"two", host("h\r\nHost: i"), 400},
                      HeadCase{"two identical", host("h\r\nhost: h"), 400},
                      HeadCase{"two empty", host("\r\nHost:"), 400},
                      HeadCase{"two in 1.0", "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", 400},
                      HeadCase{"empty", host(""), 0}, HeadCase{"a longer name", host("h\r\nHosts: i"), 0}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Refused, Host,
    ::testing::Values(
        HeadCase{"port is a name", host("h:port"), 400}, HeadCase{"negative port", host("h:-1"), 400},
        HeadCase{"port too large", host("h:65536"), 400},
        HeadCase{"port far too large", host("h:99999999999999999999"), 400},
        HeadCase{"two ports", host("h:1:2"), 400}, HeadCase{"port alone", host(":80"), 400},
        HeadCase{"user", host("user@h"), 400}, HeadCase{"byte 0xff", host("\xff"), 400},
        HeadCase{"brace", host("{"), 400}, HeadCase{"space inside", host("h i"), 400},
        HeadCase{"path", host("h/p"), 400}, HeadCase{"list", host("h\\i"), 400},
        HeadCase{"unclosed bracket", host("[::1"), 400}, HeadCase{"empty brackets", host("[]"), 400},
        HeadCase{"dots in brackets", host("[..]."), 400},
        HeadCase{"dot behind brackets", host("[::1]."), 400},
        HeadCase{"name before brackets", host("x[::1]"), 400},
        HeadCase{"name behind brackets", host("[::1]x"), 400},
        HeadCase{"IPv4 in brackets", host("[127.0.0.1]"), 400},
        HeadCase{"zone", host("[fe80::1%25eth0]"), 400}, HeadCase{"future address", host("[v1.x]"), 400},
        HeadCase{"overlong in brackets", host("[" + std::string(60, '1') + "]"), 400},
        HeadCase{"a dot", host("."), 400}, HeadCase{"cut escape", host("h%4"), 400},
        HeadCase{"bad escape", host("h%zz"), 400}, HeadCase{"encoded NUL", host("h%00"), 400},
        HeadCase{"bad one beside an absolute target", "GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        HeadCase{"bad one in 1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400}),
    case_name);

INSTANTIATE_TEST_SUITE_P(Served, Host,
                         ::testing::Values(HeadCase{"IPv6 with port", host("[::1]:80"), 0},
                                           HeadCase{"mapped IPv4", host("[::ffff:127.0.0.1]"), 0},
                                           HeadCase{"IPv4 with port", host("127.0.0.1:8080"), 0},
                                           HeadCase{"underscore", host("foo_bar"), 0},
                                           HeadCase{"trailing dot", host("h.example."), 0},
                                           HeadCase{"empty port", host("h:"), 0},
                                           HeadCase{"largest port", host("h:65535"), 0},
                                           HeadCase{"sub-delims", host("a!$&'()*+,;=b"), 0},
                                           HeadCase{"escape", host("h%C3%A9"), 0},
                                           HeadCase{"spaces around", host("  h \t "), 0}),
                         case_name);

struct Split {
  std::string value;
  std::string host;
};

class HostOf : public ::testing::TestWithParam<Split> {};

TEST_P(HostOf, LeavesOutPortAndTrailingDot) {
  EXPECT_EQ(ParsedHead(host(GetParam().value)).request.host, GetParam().host);
}

INSTANTIATE_TEST_SUITE_P(Values, HostOf,
                         ::testing::Values(Split{"h", "h"}, Split{"Www.Example:80", "Www.Example"},
                                           Split{"h:", "h"}, Split{"h.example.", "h.example"},
                                           Split{"h.example.:80", "h.example"}, Split{"[::1]", "[::1]"},
                                           Split{"[::1]:8080", "[::1]"}, Split{"", ""}));

TEST(HostResult, IsNotLeftOverFromTheRequestBefore) {
  Request request;
  ASSERT_EQ(parse_head(host("first"), {}, request).status, ParseStatus::kComplete);
  ASSERT_EQ(parse_head("GET / HTTP/1.0\r\n\r\n", {}, request).status, ParseStatus::kComplete);
  EXPECT_EQ(request.host, "");
}

TEST(ParseAuthority, GivesThePort) {
  EXPECT_EQ(parse_authority("[::1]:81")->port, "81");
  EXPECT_EQ(parse_authority("h")->port, "");
  EXPECT_FALSE(parse_authority("").has_value());
  EXPECT_FALSE(parse_authority("[::1\0]"s).has_value());
}

}  // namespace
}  // namespace baton::http
