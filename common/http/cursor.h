// What the states of the head parser share: their place in the bytes, and how they answer.
//
// A head is judged strictly from left to right. A state may look at no byte beyond the one that decides it,
// and the first fault in byte order is the verdict. So every prefix of a head is either incomplete or gives
// the verdict of the whole, however the bytes were cut on their way. A check that looked ahead would break
// this.
#pragma once

#include "common/http/parser.h"

namespace baton::http {

struct Cursor {
  const char* at;
  const char* end;  // end of what has arrived, which is not the end of the head
};

struct Outcome {
  ParseStatus status = ParseStatus::kComplete;  // kComplete: this state is done and has taken its bytes
  int error = 0;
  const char* reason = "";

  [[nodiscard]] bool done() const { return status == ParseStatus::kComplete; }
};

inline constexpr Outcome kStateDone{};
inline constexpr Outcome kNeedMoreBytes{ParseStatus::kIncomplete};

constexpr Outcome refuse(int error, const char* reason) {
  return {ParseStatus::kError, error, reason};
}
constexpr Outcome bad_request(const char* reason) {
  return refuse(400, reason);
}

// Takes CRLF. Refuses anything else, a bare LF included, for `reason`.
inline Outcome take_crlf(Cursor& in, const char* reason) {
  if (in.at == in.end) return kNeedMoreBytes;
  if (in.at[0] != '\r') return bad_request(reason);
  if (in.end - in.at < 2) return kNeedMoreBytes;
  if (in.at[1] != '\n') return bad_request(reason);
  in.at += 2;
  return kStateDone;
}

}  // namespace baton::http
