// Field lines (RFC 9112 2.2, 5; RFC 9110 5), the limits, and what holds for every head.
#include "common/http/parser.h"

#include <gtest/gtest.h>

#include "tests/common/http/head_cases.h"

namespace baton::http {
namespace {

using namespace std::string_literals;

class FieldLine : public ::testing::TestWithParam<HeadCase> {};

TEST_P(FieldLine, LeadsToItsStatusHoweverItArrives) {
  expect_case(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Names, FieldLine,
                         ::testing::Values(HeadCase{"space before the colon", get_with("A : b\r\n"), 400},
                                           HeadCase{"tab before the colon", get_with("A\t: b\r\n"), 400},
                                           HeadCase{"no colon", get_with("Abc\r\n"), 400},
                                           HeadCase{"empty name", get_with(": b\r\n"), 400},
                                           HeadCase{"at sign", get_with("Fo@: b\r\n"), 400},
                                           HeadCase{"brackets", get_with("X[]: b\r\n"), 400},
                                           HeadCase{"byte 0xef", get_with("\xef: b\r\n"), 400},
                                           HeadCase{"NUL", get_with("A\0: b\r\n"s), 400},
                                           HeadCase{"every tchar", get_with("!#$%&'*+-.^_`|~09azAZ: b\r\n"),
                                                    0}),
                         case_name);

INSTANTIATE_TEST_SUITE_P(
    Space, FieldLine,
    ::testing::Values(HeadCase{"space before the first", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
                      HeadCase{"tab before the first", "GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", 400},
                      HeadCase{"fold with a space", get_with("A: b\r\n c\r\n"), 400},
                      HeadCase{"fold with a tab", get_with("A: b\r\n\tc\r\n"), 400},
                      HeadCase{"fold at the end", get_with("A: b\r\n \r\n"), 400},
                      HeadCase{"tab as white space", get_with("Content-Length: \t 12 \t\r\n"), 0},
                      HeadCase{"no white space", get_with("A:b\r\n"), 0},
                      HeadCase{"tabs far into a value", get_with("A: 0123456789\tabcdefghi\tj\r\n"), 0},
                      HeadCase{"empty value", get_with("A:\r\n"), 0},
                      HeadCase{"blank value", get_with("A: \t \r\n"), 0}),
    case_name);

INSTANTIATE_TEST_SUITE_P(Values, FieldLine,
                         ::testing::Values(HeadCase{"NUL", get_with("A: v\0w\r\n"s), 400},
                                           HeadCase{"bare CR", get_with("A: v\rw\r\n"), 400},
                                           HeadCase{"CR CR LF", get_with("A: v\r\r\n"), 400},
                                           HeadCase{"control", get_with("A: \x01\r\n"), 400},
                                           HeadCase{"control, far in",
                                                    get_with("A: 0123456789\x1f"
                                                             "abcdefghij\r\n"),
                                                    400},
                                           HeadCase{"control behind a tab",
                                                    get_with("A: 01234567\t\v9abcdef\r\n"), 400},
                                           HeadCase{"DEL", get_with("A: \x7f\r\n"), 400},
                                           HeadCase{"DEL, far in",
                                                    get_with("A: 0123456789\x7f"
                                                             "abcdefghij\r\n"),
                                                    400},
                                           HeadCase{"high bytes", get_with("A: \x80\xa0\xff\r\n"), 0},
                                           HeadCase{"high bytes, far in",
                                                    get_with("A: 01234567\x80\x81\xfe\xff"
                                                             "abcdefgh\r\n"),
                                                    0}),
                         case_name);

INSTANTIATE_TEST_SUITE_P(
    LineEnds, FieldLine,
    ::testing::Values(HeadCase{"LF after a field", "GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
                      HeadCase{"LF for the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
                      HeadCase{"CR for the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\rX", 400},
                      HeadCase{"LF alone", "GET / HTTP/1.1\nHost: h\n\n", 400}),
    case_name);

INSTANTIATE_TEST_SUITE_P(Ranks, FieldLine,
                         ::testing::Values(HeadCase{"malformed after an unknown coding",
                                                    get_with("Transfer-Encoding: gzip\r\nA b\r\n"), 400},
                                           HeadCase{"malformed after an unknown expectation",
                                                    get_with("Expect: x\r\nA b\r\n"), 400},
                                           HeadCase{"unknown method, then malformed",
                                                    "BREW / HTTP/1.1\r\nA b\r\n\r\n", 501}),
                         case_name);

TEST(Fields, AreGivenInOrderWithoutSurroundingSpace) {
  const ParsedHead head("GET / HTTP/1.1\r\nHOST:  h\t\r\nA: b c \r\na:\r\n\r\n");
  ASSERT_EQ(head.result.status, ParseStatus::kComplete);
  const auto fields = head.request.fields;
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].name, "HOST");
  EXPECT_EQ(fields[0].value, "h");
  EXPECT_EQ(fields[1].name, "A");
  EXPECT_EQ(fields[1].value, "b c");
  EXPECT_EQ(fields[2].name, "a");
  EXPECT_EQ(fields[2].value, "");
}

TEST(Fields, OfTheRequestBeforeAreForgotten) {
  Request request;
  ASSERT_EQ(parse_head(get_with("A: b\r\nConnection: close\r\nContent-Length: 5\r\n"), {}, request).status,
            ParseStatus::kComplete);
  ASSERT_EQ(parse_head(kGoodHead, {}, request).status, ParseStatus::kComplete);
  EXPECT_FALSE(request.has_field("a"));
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(request.framing, BodyFraming::kNone);
  EXPECT_EQ(request.content_length, 0U);
  EXPECT_FALSE(request.has_query);
}

TEST(Limits, AsManyFieldsAsFitAreTakenAndOneMoreIsNot) {
  std::string lines;
  for (int i = 1; i < 100; ++i) lines += "A: b\r\n";
  expect_case({"100 fields", get_with(lines), 0});
  expect_case({"101 fields", get_with(lines + "A: b\r\n"), 431});
  EXPECT_EQ(ParsedHead(get_with(lines)).request.fields.size(), 100U);
  for (const std::size_t most : {1, 2, 150}) {
    Request request;
    const auto status = [&](std::size_t fields) {
      std::string more;
      while (--fields > 0) more += "A: b\r\n";
      return parse_head(get_with(more), {.header_fields = most}, request).status;
    };
    EXPECT_EQ(status(most), ParseStatus::kComplete);
    EXPECT_EQ(status(most + 1), ParseStatus::kError);
  }
}

TEST(Limits, OneFieldTooLarge) {
  expect_case({"one field", get_with("A: " + std::string(16'384, 'b') + "\r\n"), 431});
}

TEST(Limits, AllFieldsTogetherTooLarge) {
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += "A: " + std::string(1'000, 'b') + "\r\n";
  expect_case({"all fields", get_with(lines), 431});
}

TEST(Limits, AHeadOfExactlyTheLimitIsTaken) {
  const std::string head = get_with("A: bcdef\r\n");
  expect_case({"fits", head, 0}, {.target_bytes = 8, .header_bytes = head.size()});
  expect_case({"one byte too long", head, 431}, {.target_bytes = 8, .header_bytes = head.size() - 1});
}

TEST(Limits, ATargetOfExactlyTheLimitIsTaken) {
  expect_case({"fits", "GET /345678 HTTP/1.1\r\nHost: h\r\n\r\n", 0}, {.target_bytes = 7});
  expect_case({"one byte too long", "GET /345678 HTTP/1.1\r\nHost: h\r\n\r\n", 414}, {.target_bytes = 6});
}

// Whatever the request line is busy with when the bytes run out.
TEST(Limits, ARequestLineThatFillsTheHeadIsTooLong) {
  const std::string head = "\r\nPOST /target HTTP/1.1\r\nHost: h\r\n\r\n";
  const auto line_bytes = head.find("Host");
  for (std::size_t limit = 3; limit < line_bytes; ++limit) {
    expect_case({"limit " + std::to_string(limit), head, 414}, {.header_bytes = limit});
  }
  for (std::size_t limit = line_bytes; limit < head.size(); ++limit) {
    expect_case({"limit " + std::to_string(limit), head, 431}, {.header_bytes = limit});
  }
}

TEST(Limits, AMethodWithoutEndIsRefused) {
  expect_case({"method", std::string(16'384, 'A'), 414});
}

TEST(Limits, AFullWindowIsNeverIncomplete) {
  Request request;
  const std::string fields = get_with("A: " + std::string(20'000, 'b'));
  EXPECT_EQ(parse_head(std::string_view(fields).substr(0, 16'383), {}, request).status,
            ParseStatus::kIncomplete);
  EXPECT_EQ(parse_head(std::string_view(fields).substr(0, 16'384), {}, request).error, 431);
}

TEST(Head, IsIncompleteAtEveryByteBeforeItsLast) {
  const std::string head = get_with("Accept: */*\r\nContent-Length: 5\r\n");
  Request request;
  for (std::size_t size = 0; size < head.size(); ++size) {
    EXPECT_EQ(parse_copy(head.substr(0, size), {}, request).status, ParseStatus::kIncomplete) << size;
  }
}

TEST(Head, AGoodOneAndThenGarbage) {
  const std::string bytes = std::string(kGoodHead) + "\x01\x02\r\n\r\n";
  Request request;
  ASSERT_EQ(parse_head(bytes, {}, request).status, ParseStatus::kComplete);
  EXPECT_EQ(parse_head(std::string_view(bytes).substr(request.head_bytes), {}, request).error, 400);
}

}  // namespace
}  // namespace baton::http
