// The request line (RFC 9112 2.2, 2.3, 3) and the forms of its target.
#include "common/http/request_line.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>

#include "tests/common/http/head_cases.h"

namespace baton::http {
namespace {

using namespace std::string_literals;

std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: h\r\n\r\n";
}

class RequestLine : public ::testing::TestWithParam<HeadCase> {};

TEST_P(RequestLine, LeadsToItsStatusHoweverItArrives) {
  expect_case(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Parts, RequestLine,
    ::testing::Values(HeadCase{"plain", line("GET / HTTP/1.1"), 0},
                      HeadCase{"no version", "GET /\r\n\r\n", 400},
                      HeadCase{"no version, one space", "GET / \r\n\r\n", 400},
                      HeadCase{"no target", line("GET  HTTP/1.1"), 400},
                      HeadCase{"neither", line("GET"), 400},
                      HeadCase{"empty method", line(" / HTTP/1.1"), 400},
                      HeadCase{"two spaces before the target", line("GET  / HTTP/1.1"), 400},
                      HeadCase{"two spaces before the version", line("GET /  HTTP/1.1"), 400},
                      HeadCase{"space at the end", line("GET / HTTP/1.1 "), 400},
                      HeadCase{"tab after the method", line("GET\t/ HTTP/1.1"), 400},
                      HeadCase{"tab after the target", line("GET /\tHTTP/1.1"), 400},
                      HeadCase{"form feed after the method", line("GET\f/ HTTP/1.1"), 400},
                      HeadCase{"CR after the method", line("GET\r/ HTTP/1.1"), 400},
                      HeadCase{"CR after the target", line("GET /\rHTTP/1.1"), 400},
                      HeadCase{"bare LF", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
                      HeadCase{"bare CR", "GET / HTTP/1.1\rHost: h\r\n\r\n", 400},
                      HeadCase{"CR CR LF", "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Methods, RequestLine,
    ::testing::Values(
        HeadCase{"parenthesis", line("GE(T / HTTP/1.1"), 400}, HeadCase{"NUL", line("G\0T / HTTP/1.1"s), 400},
        HeadCase{"UTF-8", line("G\xc3\x89T / HTTP/1.1"), 400},
        HeadCase{"DEL", line("GET\x7f / HTTP/1.1"), 400}, HeadCase{"TLS hello", "\x16\x03\x01\x02"s, 400},
        HeadCase{"unknown", line("BREW / HTTP/1.1"), 501},
        HeadCase{"lower case", line("get / HTTP/1.1"), 501},
        HeadCase{"unknown, authority form", line("BREW h:80 HTTP/1.1"), 501},
        HeadCase{"every tchar", line("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1"), 501},
        HeadCase{"GET", line("GET / HTTP/1.1"), 0}, HeadCase{"HEAD", line("HEAD / HTTP/1.1"), 0},
        HeadCase{"POST", line("POST / HTTP/1.1"), 0}, HeadCase{"PUT", line("PUT / HTTP/1.1"), 0},
        HeadCase{"DELETE", line("DELETE / HTTP/1.1"), 0},
        HeadCase{"CONNECT", line("CONNECT h:80 HTTP/1.1"), 0},
        HeadCase{"OPTIONS", line("OPTIONS / HTTP/1.1"), 0}, HeadCase{"TRACE", line("TRACE / HTTP/1.1"), 0},
        HeadCase{"PATCH", line("PATCH / HTTP/1.1"), 0}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Versions, RequestLine,
    ::testing::Values(
        HeadCase{"1.11", line("GET / HTTP/1.11"), 400}, HeadCase{"1.00", line("GET / HTTP/1.00"), 400},
        HeadCase{"01.1", line("GET / HTTP/01.1"), 400}, HeadCase{"lower case", line("GET / http/1.1"), 400},
        HeadCase{"no minor", line("GET / HTTP/1."), 400}, HeadCase{"no point", line("GET / HTTP/11"), 400},
        HeadCase{"space inside", line("GET / HTTP/ 1.1"), 400},
        HeadCase{"letter", line("GET / HTTP/1.x"), 400},
        HeadCase{"another protocol", line("GET / HTTQ/1.1"), 400},
        HeadCase{"2.0", line("GET / HTTP/2.0"), 505}, HeadCase{"9.9", line("GET / HTTP/9.9"), 505},
        HeadCase{"0.9", line("GET / HTTP/0.9"), 505},
        HeadCase{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        HeadCase{"1.2", line("GET / HTTP/1.2"), 0}, HeadCase{"1.9", line("GET / HTTP/1.9"), 0},
        HeadCase{"1.0", line("GET / HTTP/1.0"), 0}),
    case_name);

INSTANTIATE_TEST_SUITE_P(EmptyLinesBefore, RequestLine,
                         ::testing::Values(HeadCase{"one", "\r\n" + get_with(""), 0},
                                           HeadCase{"four", "\r\n\r\n\r\n\r\n" + get_with(""), 0},
                                           HeadCase{"five", "\r\n\r\n\r\n\r\n\r\n" + get_with(""), 400},
                                           HeadCase{"LF", "\n" + get_with(""), 400},
                                           HeadCase{"CR", "\r" + get_with(""), 400},
                                           HeadCase{"space", " " + get_with(""), 400}),
                         case_name);

INSTANTIATE_TEST_SUITE_P(
    TargetForms, RequestLine,
    ::testing::Values(HeadCase{"star for GET", line("GET * HTTP/1.1"), 400},
                      HeadCase{"star for OPTIONS", line("OPTIONS * HTTP/1.1"), 0},
                      HeadCase{"star and more", line("OPTIONS *x HTTP/1.1"), 400},
                      HeadCase{"authority for GET", line("GET host:80 HTTP/1.1"), 400},
                      HeadCase{"relative path", line("GET a/b HTTP/1.1"), 400},
                      HeadCase{"query alone", line("GET ?a HTTP/1.1"), 400},
                      HeadCase{"path for CONNECT", line("CONNECT / HTTP/1.1"), 400},
                      HeadCase{"no port for CONNECT", line("CONNECT h HTTP/1.1"), 400},
                      HeadCase{"empty port for CONNECT", line("CONNECT h: HTTP/1.1"), 400},
                      HeadCase{"absolute", line("GET http://h/p HTTP/1.1"), 0},
                      HeadCase{"absolute, no path", line("GET http://h HTTP/1.1"), 0},
                      HeadCase{"absolute, upper case", line("GET HTTP://h/p HTTP/1.1"), 0},
                      HeadCase{"https", line("GET https://h:443/ HTTP/1.1"), 0},
                      HeadCase{"another scheme", line("GET ftp://h/ HTTP/1.1"), 400},
                      HeadCase{"scheme alone", line("GET http:// HTTP/1.1"), 400},
                      HeadCase{"one slash", line("GET http:/h/p HTTP/1.1"), 400},
                      HeadCase{"empty host", line("GET http:///p HTTP/1.1"), 400},
                      HeadCase{"port alone", line("GET http://:80/ HTTP/1.1"), 400},
                      HeadCase{"user", line("GET http://user@h/ HTTP/1.1"), 400},
                      HeadCase{"bad port", line("GET http://h:x/ HTTP/1.1"), 400}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    TargetBytes, RequestLine,
    ::testing::Values(HeadCase{"NUL", line("GET /a\0b HTTP/1.1"s), 400},
                      HeadCase{"control", line("GET /a\x01 HTTP/1.1"), 400},
                      HeadCase{"control, far in", line("GET /0123456789abcdef\x1f HTTP/1.1"), 400},
                      HeadCase{"DEL", line("GET /a\x7f HTTP/1.1"), 400},
                      HeadCase{"DEL, far in",
                               line("GET /0123456789abc\x7f"
                                    "def HTTP/1.1"),
                               400},
                      HeadCase{"encoded NUL", line("GET /a%00b HTTP/1.1"), 400},
                      HeadCase{"encoded NUL in the query", line("GET /?a=%00 HTTP/1.1"), 400},
                      HeadCase{"encoded control", line("GET /a%01 HTTP/1.1"), 0},
                      HeadCase{"non-ASCII", line("GET /\xc3\xa9?\xff HTTP/1.1"), 0},
                      HeadCase{"non-ASCII, far in",
                               line("GET /0123456789abc\xff"
                                    "def HTTP/1.1"),
                               0},
                      HeadCase{"non-ASCII for CONNECT", line("CONNECT h\xc3\xa9:80 HTTP/1.1"), 400},
                      HeadCase{"non-ASCII host", line("GET http://h\xc3\xa9/ HTTP/1.1"), 400},
                      HeadCase{"quote in the host", line("GET http://h\"/ HTTP/1.1"), 400},
                      HeadCase{"backslash behind the host", line("GET http://h\\x/ HTTP/1.1"), 400},
                      HeadCase{"non-ASCII behind the host", line("GET http://[::1]:80/\xc3\xa9[] HTTP/1.1"),
                               0},
                      HeadCase{"non-ASCII in front", line("GET \xc3\xa9 HTTP/1.1"), 400},
                      HeadCase{"split escape", line("GET /%0\xff HTTP/1.1"), 0},
                      HeadCase{"fragment", line("GET /a#b HTTP/1.1"), 400},
                      HeadCase{"fragment, far in", line("GET /0123456789abc#def HTTP/1.1"), 400},
                      HeadCase{"what browsers leave", line("GET /a|b?c[]=^{}`\"<>\\ HTTP/1.1"), 0},
                      HeadCase{"8,000 bytes", line("GET /" + std::string(7'999, 'a') + " HTTP/1.1"), 0},
                      HeadCase{"8,192 bytes", line("GET /" + std::string(8'191, 'a') + " HTTP/1.1"), 0},
                      HeadCase{"8,193 bytes", line("GET /" + std::string(8'192, 'a') + " HTTP/1.1"), 414}),
    case_name);

TEST(RequestLineResult, TellsItsParts) {
  const ParsedHead head("OPTIONS /a/b?c=d?e HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(head.result.status, ParseStatus::kComplete);
  EXPECT_TRUE(head.result.has_request_line);
  EXPECT_EQ(head.request.method, Method::kOptions);
  EXPECT_EQ(head.request.method_text, "OPTIONS");
  EXPECT_EQ(head.request.target, "/a/b?c=d?e");
  EXPECT_EQ(head.request.path, "/a/b");
  EXPECT_EQ(head.request.query, "c=d?e");
  EXPECT_TRUE(head.request.has_query);
  EXPECT_EQ(head.request.minor, 1);
  EXPECT_EQ(head.request.head_bytes, head.bytes.size());
}

// All of the bytes that RFC 3986 allows in no path and no query, and none of the others.
TEST(RequestLineResult, EncodesWhatATargetCannotHold) {
  constexpr std::string_view kKept = "!$%&'()*+,-./:;=?@_~0123456789";
  for (int byte = 0x21; byte < 0x100; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '#' || byte == 0x7f) continue;
    const bool kept = kKept.find(c) != std::string_view::npos || (std::isalpha(byte) != 0 && byte < 0x80);
    char escape[4];
    std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned>(byte));
    const std::string expected = kept ? std::string(1, c) : escape;
    const ParsedHead head(line("PUT /a" + std::string(1, c) + "?b" + c + " HTTP/1.1"));
    ASSERT_EQ(head.result.status, ParseStatus::kComplete) << byte;
    EXPECT_EQ(head.request.target, "/a" + expected + "?b" + expected);
    EXPECT_EQ(head.request.request_line, "PUT /a" + expected + "?b" + expected + " HTTP/1.1");
    if (c == '?') continue;
    EXPECT_EQ(head.request.path, "/a" + expected);
    EXPECT_EQ(head.request.query, "b" + expected);
  }
}

TEST(RequestLineResult, LeavesTheHostOfATargetAsItIs) {
  const ParsedHead head("GET http://[::1]:81/[?] HTTP/1.1\r\nHost: h:82\r\n\r\n");
  EXPECT_EQ(head.request.target, "http://[::1]:81/%5B?%5D");
  EXPECT_EQ(head.request.host, "[::1]");
  EXPECT_EQ(head.request.port, "81");
  EXPECT_EQ(head.request.path, "/%5B");
  EXPECT_EQ(head.request.query, "%5D");
  EXPECT_EQ(ParsedHead(line("GET http://h?{ HTTP/1.1")).request.query, "%7B");
}

TEST(RequestLineResult, TheEncodedTargetBeforeIsForgotten) {
  Request request;
  ASSERT_EQ(parse_head("GET /{}?{} HTTP/1.1\r\nHost: h\r\n\r\n", {}, request).status, ParseStatus::kComplete);
  ASSERT_EQ(parse_head("PUT /a?b HTTP/1.0\r\n\r\n", {}, request).status, ParseStatus::kComplete);
  EXPECT_EQ(request.request_line, "PUT /a?b HTTP/1.0");
  EXPECT_EQ(request.target, "/a?b");
  EXPECT_EQ(request.query, "b");
}

TEST(RequestLineResult, PortsStandWithTheirHost) {
  const auto port = [](const std::string& target, const std::string& host) {
    return std::string(ParsedHead("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n").request.port);
  };
  EXPECT_EQ(port("/", "h"), "");
  EXPECT_EQ(port("/", "h:"), "");
  EXPECT_EQ(port("/", "[::1]:8080"), "8080");
  EXPECT_EQ(port("http://t:1/", "h:2"), "1");
  EXPECT_EQ(port("http://t/", "h:2"), "") << "that is of another host";
}

TEST(RequestLineResult, TellsAnEmptyQueryFromNone) {
  EXPECT_TRUE(ParsedHead(line("GET /a? HTTP/1.1")).request.has_query);
  EXPECT_FALSE(ParsedHead(line("GET /a HTTP/1.1")).request.has_query);
}

TEST(RequestLineResult, TheQueryOfTheRequestBeforeIsForgotten) {
  Request request;
  for (const auto* next : {"OPTIONS * HTTP/1.1", "CONNECT h:80 HTTP/1.1", "GET / HTTP/1.1"}) {
    ASSERT_EQ(parse_head("GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", {}, request).status, ParseStatus::kComplete);
    const std::string bytes = line(next);
    ASSERT_EQ(parse_head(bytes, {}, request).status, ParseStatus::kComplete);
    EXPECT_FALSE(request.has_query) << next;
    EXPECT_EQ(request.query, "") << next;
  }
}

TEST(RequestLineResult, ServesLaterMinorVersionsAsOne) {
  EXPECT_EQ(ParsedHead(line("GET / HTTP/1.2")).request.minor, 1);
  EXPECT_EQ(ParsedHead(line("GET / HTTP/1.0")).request.minor, 0);
}

TEST(RequestLineResult, CountsEmptyLinesInTheHead) {
  const ParsedHead head("\r\n\r\n" + get_with("") + "rest");
  EXPECT_EQ(head.request.head_bytes, 4 + get_with("").size());
}

TEST(RequestLineResult, AbsoluteTargetWinsOverHost) {
  const ParsedHead head("GET http://target.example:81/p?q HTTP/1.1\r\nHost: field.example\r\n\r\n");
  EXPECT_EQ(head.request.host, "target.example");
  EXPECT_EQ(head.request.path, "/p");
  EXPECT_EQ(head.request.query, "q");
}

TEST(RequestLineResult, AbsoluteTargetWithoutPath) {
  EXPECT_EQ(ParsedHead(line("GET http://h HTTP/1.1")).request.path, "/");
  const ParsedHead query(line("GET http://h?q HTTP/1.1"));
  EXPECT_EQ(query.request.path, "/");
  EXPECT_EQ(query.request.query, "q");
}

TEST(RequestLineResult, OptionsForAWholeServer) {
  EXPECT_EQ(ParsedHead(line("OPTIONS * HTTP/1.1")).request.path, "*");
  EXPECT_EQ(ParsedHead(line("OPTIONS http://h HTTP/1.1")).request.path, "*");
  EXPECT_EQ(ParsedHead(line("OPTIONS http://h/ HTTP/1.1")).request.path, "/");
  EXPECT_EQ(ParsedHead(line("OPTIONS http://h?q HTTP/1.1")).request.path, "/");
}

TEST(RequestLineResult, ConnectHasAHostAndNoPath) {
  const ParsedHead head(line("CONNECT proxy.example:443 HTTP/1.1"));
  EXPECT_EQ(head.request.host, "proxy.example");
  EXPECT_EQ(head.request.path, "");
}

TEST(RequestLineResult, RefusedRequestsCanBeLoggedOnceTheLineIsRead) {
  const ParsedHead unknown(line("BREW /pot HTTP/1.1"));
  EXPECT_TRUE(unknown.result.has_request_line);
  EXPECT_EQ(unknown.request.method_text, "BREW");
  EXPECT_EQ(unknown.request.target, "/pot");
  EXPECT_FALSE(ParsedHead("GET / HTTP/1.x\r\n").result.has_request_line);
}

// A verdict that waits for later bytes keeps a hopeless connection open.
TEST(RequestLineResult, RefusesAtTheFirstWrongByte) {
  EXPECT_EQ(ParsedHead("G(").result.error, 400);
  EXPECT_EQ(ParsedHead("GET /\x01").result.error, 400);
  EXPECT_EQ(ParsedHead("GET / X").result.error, 400);
  EXPECT_EQ(ParsedHead("GET / HTTP/2.0\r\n").result.error, 505);
  EXPECT_EQ(ParsedHead("BREW / HTTP/1.1\r\n").result.error, 501);
}

}  // namespace
}  // namespace baton::http
