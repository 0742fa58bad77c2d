#include "tests/campaign/response_reader.h"

#include <algorithm>
#include <cstdlib>

#include "tests/support/bulk.h"

namespace baton::survive {

namespace {

constexpr std::size_t kMostHead = 16'384;
constexpr std::string_view kHello = "hello";

// The value of a field; names are compared as baton writes them.
std::string field(const std::string& head, const std::string& name) {
  const std::size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

}  // namespace

void ResponseReader::reset() {
  head_.clear();
  collected_.clear();
  in_body_ = false;
  received_ = 0;
}

ResponseReader::Result ResponseReader::corrupt(std::string why) {
  why_ = std::move(why);
  return Result::kCorrupt;
}

ResponseReader::Result ResponseReader::begin_body(std::string_view behind, const Expected& expected) {
  if (!head_.starts_with("HTTP/1.1 ")) return corrupt("no response where one is due: " + head_.substr(0, 80));
  status_ = std::atoi(head_.c_str() + 9);
  const std::string length = field(head_, "Content-Length");
  if (length.empty()) return corrupt("no length: " + head_);
  length_ = std::strtoull(length.c_str(), nullptr, 10);
  content_type_ = field(head_, "Content-Type");
  in_body_ = true;
  if (status_ >= 500) return Result::kMore;
  if (status_ != expected.status)
    return corrupt("status of " + expected.target + ": " + head_ + std::string(behind));
  if (expected.body != Expected::Body::kMultipart && length_ != expected.length)
    return corrupt("length of " + expected.target + ": " + head_);
  return Result::kMore;
}

bool ResponseReader::right(std::string_view bytes, const Expected& expected) {
  switch (expected.body) {
    case Expected::Body::kPattern: return test::matches_pattern(bytes, expected.offset + received_);
    case Expected::Body::kHello: return kHello.substr(received_, bytes.size()) == bytes;
    case Expected::Body::kMultipart: collected_.append(bytes); return true;
  }
  return false;
}

ResponseReader::Result ResponseReader::feed(std::string_view& bytes, const Expected& expected) {
  while (!in_body_) {
    // A head is short: a byte at a time costs less than looking for its end across two reads is worth.
    if (bytes.empty()) return Result::kMore;
    head_ += bytes.front();
    bytes.remove_prefix(1);
    if (head_.size() > kMostHead) return corrupt("a head without an end: " + head_.substr(0, 80));
    if (head_.ends_with("\r\n\r\n") && begin_body(bytes, expected) == Result::kCorrupt)
      return Result::kCorrupt;
  }
  const std::string_view part =
      bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), length_ - received_)));
  if (status_ < 500 && !right(part, expected))
    return corrupt("bytes of " + expected.target + " from " + std::to_string(received_) + " on");
  received_ += part.size();
  bytes.remove_prefix(part.size());
  if (received_ < length_) return Result::kMore;
  const bool whole = status_ >= 500 || expected.body != Expected::Body::kMultipart ||
                     test::is_multipart_of(collected_, content_type_, expected.ranges, expected.length);
  const bool failed = status_ >= 500;
  reset();
  if (!whole) return corrupt("the ranges of " + expected.target);
  return failed ? Result::kFailed : Result::kComplete;
}

}  // namespace baton::survive
