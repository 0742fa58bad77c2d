// Decodes the chunked transfer coding (RFC 9112 7.1), in place and strictly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::http {

// Where a decoder stands. It is trivially copyable and has 16 bytes: it lives in the connection's slot in
// shared memory, because the connection's next event may come to another process. A body begins with a
// zero-initialised state.
struct ChunkState {
  std::uint64_t remaining = 0;   // data bytes left in the current chunk, or the size read so far
  std::uint32_t line_bytes = 0;  // bytes of the current size line, or of the whole trailer section: bounded
  std::uint8_t phase = 0;        // private to chunked.cpp
  std::uint8_t digits = 0;       // digits of the size, or bytes of a trailer's name, so far
  std::uint16_t matching = 0;    // the forbidden names that the trailer's name may still turn out to be
};
static_assert(sizeof(ChunkState) == 16);

struct ChunkStep {
  enum class Kind : std::uint8_t {
    kNeedMore,  // all input is consumed: give more
    kData,      // `data` is body data
    kDone,      // the body has ended, trailers included
    kError,     // answer 400 and close
  };
  Kind kind = Kind::kNeedMore;
  // Bytes of the input that this step has taken, data included. A kNeedMore step takes all of them.
  std::size_t consumed = 0;
  std::string_view data;
  const char* reason = "";  // kError
};

// Takes one step over `input`. Call it again with the rest until kNeedMore, kDone or kError; kDone and
// kError then repeat for ever. Trailers are checked and dropped (RFC 9110 6.5.1). A trailer that would
// frame or route (Content-Length, Transfer-Encoding, Host) is an error. All trailers together may have
// 8,192 bytes, a size line 1,024. A size has at most 16 digits and fits std::int64_t. The caller must bound
// the sum of all chunks.
ChunkStep decode_chunked(std::string_view input, ChunkState& state);

}  // namespace baton::http
