// Parses a head in every way it can arrive, and holds the parser to giving one answer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/parser.h"

namespace baton::http {

// What a head must lead to: 0 means that it is served.
struct HeadCase {
  std::string name;
  std::string bytes;
  int error = 0;
};

inline void PrintTo(const HeadCase& head, std::ostream* out) {
  *out << head.name;
}

inline constexpr std::string_view kGoodHead = "GET /good HTTP/1.1\r\nHost: h\r\n\r\n";

// Parses a copy of exactly these bytes, so that the address sanitizer sees a read behind them. Only the
// figures of `request` may be used afterwards, its views are gone.
inline ParseResult parse_copy(std::string_view bytes, const ParserLimits& limits, Request& request) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  return parse_head({copy.data(), copy.size()}, limits, request);
}

// Byte by byte: incomplete until some byte, and from that one on always `whole`, whatever follows.
inline void expect_same_at_every_prefix(std::string_view bytes, const ParserLimits& limits, Request& request,
                                        const ParseResult& whole, std::size_t head_bytes) {
  bool decided = false;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto result = parse_copy(bytes.substr(0, size), limits, request);
    if (result.status == ParseStatus::kIncomplete) {
      ASSERT_FALSE(decided) << "undecided again at " << size;
      continue;
    }
    decided = true;
    ASSERT_EQ(result.status, whole.status) << "at byte " << size;
    ASSERT_EQ(result.error, whole.error) << "at byte " << size;
    ASSERT_STREQ(result.reason, whole.reason) << "at byte " << size;
    ASSERT_EQ(result.has_request_line, whole.has_request_line) << "at byte " << size;
    ASSERT_EQ(request.head_bytes, head_bytes) << "at byte " << size;
  }
  ASSERT_EQ(decided, whole.status != ParseStatus::kIncomplete);
}

inline void expect_case(const HeadCase& head, const ParserLimits& limits = {}) {
  SCOPED_TRACE(head.name);
  Request request;
  const auto whole = parse_copy(head.bytes, limits, request);
  ASSERT_EQ(whole.error, head.error) << whole.reason;
  ASSERT_EQ(whole.status, head.error == 0 ? ParseStatus::kComplete : ParseStatus::kError);
  ASSERT_EQ(std::string_view(whole.reason).empty(), head.error == 0);
  const auto head_bytes = request.head_bytes;

  // Other requests use the object in between, as on a connection: nothing of them may be left over.
  ASSERT_EQ(parse_copy(kGoodHead, {}, request).status, ParseStatus::kComplete);
  expect_same_at_every_prefix(head.bytes, limits, request, whole, head_bytes);

  const std::string pipelined = std::string(kGoodHead) + head.bytes + std::string(kGoodHead);
  const auto first = parse_head(pipelined, {}, request);
  ASSERT_EQ(first.status, ParseStatus::kComplete) << first.reason;
  ASSERT_EQ(request.head_bytes, kGoodHead.size());
  const auto second = parse_head(std::string_view(pipelined).substr(kGoodHead.size()), limits, request);
  ASSERT_EQ(second.status, whole.status);
  ASSERT_EQ(second.error, whole.error);
  ASSERT_EQ(request.head_bytes, head_bytes);
}

// A request that is parsed for what was read from it: owns its bytes.
struct ParsedHead {
  explicit ParsedHead(std::string text) : bytes(std::move(text)), result(parse_head(bytes, {}, request)) {}
  ParsedHead(const ParsedHead&) = delete;
  ParsedHead& operator=(const ParsedHead&) = delete;

  std::string bytes;
  Request request;
  ParseResult result;
};

inline std::string get_with(std::string_view field_lines) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(field_lines) + "\r\n";
}

inline std::string case_name(const ::testing::TestParamInfo<HeadCase>& info) {
  std::string name = std::to_string(info.index) + "_";
  for (const char c : info.param.name) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    name += word ? c : '_';
  }
  return name;
}

}  // namespace baton::http
