// Takes the responses of one connection apart as their bytes come, and compares each byte with the one due.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/multipart.h"

namespace baton::survive {

// The response that a client must get next.
struct Expected {
  enum class Body : std::uint8_t {
    kPattern,    // `length` bytes of a pattern file from `offset` on
    kMultipart,  // `ranges` of a pattern file of `length` bytes
    kHello,
  };
  Body body = Body::kHello;
  int status = 200;
  std::uint64_t offset = 0;
  std::uint64_t length = 5;
  test::ByteRanges ranges;
  bool idempotent = true;
  std::string target;
  std::uint64_t asked_ns = 0;
};

class ResponseReader {
 public:
  enum class Result : std::uint8_t {
    kMore,      // all of `bytes` is taken
    kComplete,  // a response ended; bytes of the next may be left
    kFailed,    // the same, and it was a 5xx
    kCorrupt,   // what came is not what is due; nothing further can be read
  };
  // Takes bytes off the front of `bytes`.
  Result feed(std::string_view& bytes, const Expected& expected);

  // Bytes of a response have been taken, and not all of them.
  [[nodiscard]] bool inside() const { return !head_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }
  void reset();

 private:
  Result begin_body(std::string_view behind, const Expected& expected);
  Result corrupt(std::string why);
  bool right(std::string_view bytes, const Expected& expected);

  std::string head_;
  bool in_body_ = false;
  int status_ = 0;
  std::uint64_t length_ = 0;
  std::uint64_t received_ = 0;
  std::string content_type_;
  std::string collected_;  // of a multipart body
  std::string why_;
};

}  // namespace baton::survive
