// Framing (RFC 9112 6), Connection (9.3) and Expect (RFC 9110 10.1.1).
#include "common/http/field_rules.h"

#include <gtest/gtest.h>

#include "tests/common/http/head_cases.h"

namespace baton::http {
namespace {

using namespace std::string_literals;

std::string post(const std::string& field_lines) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + field_lines + "\r\n\r\n";
}
std::string post_1_0(const std::string& field_lines) {
  return "POST / HTTP/1.0\r\nHost: h\r\n" + field_lines + "\r\n\r\n";
}
std::string length(const std::string& value) {
  return post("Content-Length: " + value);
}
std::string coding(const std::string& value) {
  return post("Transfer-Encoding: " + value);
}

class Framing : public ::testing::TestWithParam<HeadCase> {};

TEST_P(Framing, LeadsToItsStatusHoweverItArrives) {
  expect_case(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    ContentLength, Framing,
    ::testing::Values(HeadCase{"negative", length("-1"), 400}, HeadCase{"plus", length("+5"), 400},
                      HeadCase{"hexadecimal", length("0x5"), 400}, HeadCase{"underscore", length("1_0"), 400},
                      HeadCase{"space inside", length("1 0"), 400}, HeadCase{"minus zero", length("-0"), 400},
                      HeadCase{"letter behind", length("5x"), 400}, HeadCase{"empty", length(""), 400},
                      HeadCase{"65 bits", length("18446744073709551616"), 400},
                      HeadCase{"wraps round to 5", length("18446744073709551621"), 400},
                      HeadCase{"64 bits", length("9223372036854775808"), 400},
                      HeadCase{"many digits", length(std::string(100, '9')), 400},
                      HeadCase{"differing", length("5\r\nContent-Length: 6"), 400},
                      HeadCase{"repeated", length("5\r\nContent-Length: 5"), 400},
                      HeadCase{"list", length("5, 10"), 400}, HeadCase{"list of equals", length("5, 5"), 400},
                      HeadCase{"comma behind", length("5,"), 400}, HeadCase{"fraction", length("5.0"), 400},
                      HeadCase{"exponent", length("1e3"), 400}, HeadCase{"zero", length("0"), 0},
                      HeadCase{"leading zeros", length("0012"), 0},
                      HeadCase{"63 bits", length("9223372036854775807"), 0}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Both, Framing,
    ::testing::Values(
        HeadCase{"length first", post("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
        HeadCase{"coding first", post("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
        HeadCase{"length zero", post("Content-Length: 0\r\nTransfer-Encoding: chunked"), 400},
        HeadCase{"unknown coding first", post("Transfer-Encoding: x\r\nContent-Length: 5"), 400},
        HeadCase{"length before an unknown coding", post("Content-Length: 5\r\nTransfer-Encoding: x"), 400},
        HeadCase{"in 1.0", post_1_0("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    TransferEncoding, Framing,
    ::testing::Values(
        HeadCase{"in 1.0", post_1_0("Transfer-Encoding: chunked"), 400},
        HeadCase{"unknown", coding("xchunked"), 501},
        HeadCase{"unknown, then chunked", coding("gzip, chunked"), 501},
        HeadCase{"unknown with a parameter", coding("x;a=b, chunked"), 501},
        HeadCase{"identity", coding("identity"), 501},
        HeadCase{"chunked not last", coding("chunked, gzip"), 400},
        HeadCase{"chunked twice", coding("chunked, chunked"), 400},
        HeadCase{"chunked twice, apart", coding("chunked, gzip, chunked"), 400},
        HeadCase{"field twice", coding("chunked\r\nTransfer-Encoding: chunked"), 400},
        HeadCase{"field twice, unknown first", coding("gzip\r\nTransfer-Encoding: chunked"), 400},
        HeadCase{"chunked with a parameter", coding("chunked;a=b"), 400},
        HeadCase{"vertical tab", coding("\vchunked"), 400}, HeadCase{"NUL behind", coding("chunked\0"s), 400},
        HeadCase{"no-break space",
                 coding("\xa0"
                        "chunked"),
                 400},
        HeadCase{"quoted", coding("\"chunked\""), 400}, HeadCase{"space inside", coding("chun ked"), 400},
        HeadCase{"empty", coding(""), 400}, HeadCase{"empty element first", coding(", chunked"), 400},
        HeadCase{"empty element last", coding("chunked,"), 400},
        HeadCase{"upper case", "POST / HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n", 0},
        HeadCase{"tabs around", coding("\tchunked\t"), 0},
        HeadCase{"another field", post("Transfer_Encoding: gzip"), 0}),
    case_name);

TEST(FramingResult, TellsHowTheBodyEnds) {
  const ParsedHead none(post("A: b"));
  EXPECT_EQ(none.request.framing, BodyFraming::kNone);
  const ParsedHead sized(length(" \t 12 \t"));
  EXPECT_EQ(sized.request.framing, BodyFraming::kLength);
  EXPECT_EQ(sized.request.content_length, 12U);
  const ParsedHead chunked(coding("Chunked"));
  EXPECT_EQ(chunked.request.framing, BodyFraming::kChunked);
  EXPECT_EQ(chunked.request.content_length, 0U);
}

TEST(FramingResult, BodiesOfGetAreFramedToo) {
  const ParsedHead head(get_with("Content-Length: 3\r\n") + "abc");
  EXPECT_EQ(head.request.framing, BodyFraming::kLength);
  EXPECT_EQ(head.request.content_length, 3U);
}

struct KeepAlive {
  std::string name;
  std::string bytes;
  bool keep_alive = false;
};
void PrintTo(const KeepAlive& test, std::ostream* out) {
  *out << test.name;
}

class Connection : public ::testing::TestWithParam<KeepAlive> {};

TEST_P(Connection, IsKeptOrClosed) {
  expect_case({GetParam().name, GetParam().bytes, 0});
  EXPECT_EQ(ParsedHead(GetParam().bytes).request.keep_alive, GetParam().keep_alive);
}

INSTANTIATE_TEST_SUITE_P(
    Options, Connection,
    ::testing::Values(KeepAlive{"1.1", post("A: b"), true}, KeepAlive{"1.0", post_1_0("A: b"), false},
                      KeepAlive{"1.0 kept", post_1_0("Connection: Keep-Alive"), true},
                      KeepAlive{"1.0 both", post_1_0("Connection: keep-alive, close"), false},
                      KeepAlive{"1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", true},
                      KeepAlive{"close", post("Connection: close"), false},
                      KeepAlive{"upper case", post("CONNECTION: CLOSE"), false},
                      KeepAlive{"comma first", post("Connection: ,close"), false},
                      KeepAlive{"empty element", post("Connection: close,,TE"), false},
                      KeepAlive{"close last", post("Connection: TE \t, close"), false},
                      KeepAlive{"both", post("Connection: close, keep-alive"), false},
                      KeepAlive{"second field", post("Connection: keep-alive\r\nConnection: close"), false},
                      KeepAlive{"upgrade", post("Connection: Upgrade"), true},
                      KeepAlive{"a longer word", post("Connection: closed"), true},
                      KeepAlive{"empty", post("Connection:"), true},
                      KeepAlive{"commas", post("Connection: , ,"), true}));

TEST(ConnectionRules, AnOptionIsAToken) {
  expect_case({"space", post("Connection: clo se"), 400});
  expect_case({"quoted", post("Connection: \"close\""), 400});
}

struct Expectation {
  std::string name;
  std::string bytes;
  int error = 0;
  bool expect_continue = false;
};
void PrintTo(const Expectation& test, std::ostream* out) {
  *out << test.name;
}

class Expect : public ::testing::TestWithParam<Expectation> {};

TEST_P(Expect, IsHonouredRefusedOrIgnored) {
  expect_case({GetParam().name, GetParam().bytes, GetParam().error});
  EXPECT_EQ(ParsedHead(GetParam().bytes).request.expect_continue, GetParam().expect_continue);
}

INSTANTIATE_TEST_SUITE_P(
    Values, Expect,
    ::testing::Values(
        Expectation{"with a length", post("Expect: 100-continue\r\nContent-Length: 5"), 0, true},
        Expectation{"with chunks", post("Transfer-Encoding: chunked\r\nExpect: 100-continue"), 0, true},
        Expectation{"upper case", post("EXPECT: 100-CONTINUE\r\nContent-Length: 5"), 0, true},
        Expectation{"twice", post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5"), 0,
                    true},
        Expectation{"without a body", post("Expect: 100-continue"), 0, false},
        Expectation{"with an empty body", post("Expect: 100-continue\r\nContent-Length: 0"), 0, false},
        Expectation{"in 1.0", post_1_0("Expect: 100-continue\r\nContent-Length: 5"), 0, false},
        Expectation{"unknown in 1.0", post_1_0("Expect: tea\r\nContent-Length: 5"), 0, false},
        Expectation{"unknown", post("Expect: tea"), 417, false},
        Expectation{"empty", post("Expect:"), 417, false},
        Expectation{"known and unknown", post("Expect: 100-continue\r\nExpect: tea"), 417, false},
        Expectation{"list", post("Expect: 100-continue, tea"), 417, false}));

TEST(ExpectRules, ARefusedExpectationCanBeLogged) {
  const ParsedHead head(post("Expect: tea"));
  EXPECT_TRUE(head.result.has_request_line);
  EXPECT_EQ(head.request.target, "/");
}

}  // namespace
}  // namespace baton::http
