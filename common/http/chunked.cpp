#include "common/http/chunked.h"

#include <algorithm>
#include <array>

#include "common/http/chars.h"

namespace baton::http {
namespace {

constexpr std::uint32_t kMaxSizeLine = 1'024;
constexpr std::uint32_t kMaxTrailers = 8'192;
constexpr std::uint8_t kMaxSizeDigits = 16;
constexpr std::uint64_t kMaxChunk = std::uint64_t{1} << 63;  // sizes become file offsets: below this

// The byte that is expected next. The white space around ';' and '=' is BWS, which a recipient must accept
// (RFC 9112 7.1.1). It is refused where nothing follows it.
//
//      +---------------------- kDataLf <- kDataCr <- kData <--+ (size > 0)
//      v                                                      |
//   kSizeStart -> kSize -----------------------> kSizeLf -----+
//                  |                                ^         | (size == 0)
//                  +-> kSizeSpace -> kExt... -------+         v
//                                      kEndLf <- kTrailerStart -> kTrailerName -> kTrailerValue -> kTrailerLf
//                                        |            ^                                              |
//                                        v            +----------------------------------------------+
//                                      kDone
enum class Phase : std::uint8_t {
  kSizeStart = 0,  // the first digit
  kSize,           // a further digit, or what may follow the size
  kSizeSpace,      // after BWS: only ';'
  kExtStart,       // after ';': BWS, then a name
  kExtName,
  kExtNameSpace,   // after BWS: '=' or ';'
  kExtValueStart,  // after '=': BWS, then a token or a quoted string
  kExtToken,
  kExtQuoted,
  kExtEscape,      // after a backslash in a quoted string
  kExtValueEnd,    // after a quoted string
  kExtValueSpace,  // after BWS: only ';'
  kSizeLf,
  kData,
  kDataCr,
  kDataLf,
  kTrailerStart,  // a field name, or the CR of the last line
  kTrailerName,
  kTrailerValue,
  kTrailerLf,
  kEndLf,
  kDone,
  kFailed,
};

// A trailer's name may come in pieces and is not kept, so it is compared as it passes. `matching` has a bit
// for each of these names that it still equals, and `digits` counts its bytes.
constexpr std::array<std::string_view, 3> kForbiddenTrailers = {"content-length", "transfer-encoding",
                                                                "host"};
constexpr std::uint16_t kAllForbidden = (1U << kForbiddenTrailers.size()) - 1;
constexpr std::uint8_t kTooLongToMatch = 32;

Phase phase_of(const ChunkState& state) {
  return static_cast<Phase>(state.phase);
}

// Every transition function returns true, or false for a byte that may not stand in this place.
bool enter(ChunkState& state, Phase next) {
  state.phase = static_cast<std::uint8_t>(next);
  return true;
}

bool take_digit(ChunkState& state, char c) {
  const int value = hex_value(c);
  if (value < 0 || state.digits == kMaxSizeDigits) return false;
  ++state.digits;
  state.remaining = state.remaining * 16 + static_cast<std::uint64_t>(value);
  return state.remaining < kMaxChunk && enter(state, Phase::kSize);
}

bool take_size_byte(ChunkState& state, char c) {
  if (phase_of(state) == Phase::kSize) {
    if (c == '\r') return enter(state, Phase::kSizeLf);
    if (c == ';') return enter(state, Phase::kExtStart);
    if (is_space(c)) return enter(state, Phase::kSizeSpace);
  }
  return take_digit(state, c);
}

// BWS is lawful only before ';', and after a name before '='. So only these may follow it.
bool take_after_space(ChunkState& state, char c) {
  if (is_space(c)) return true;
  if (c == ';') return enter(state, Phase::kExtStart);
  return c == '=' && phase_of(state) == Phase::kExtNameSpace && enter(state, Phase::kExtValueStart);
}

bool take_extension_name(ChunkState& state, char c) {
  if (is_char(c, kTokenChar)) return enter(state, Phase::kExtName);
  if (phase_of(state) == Phase::kExtStart) return is_space(c);
  if (c == '\r') return enter(state, Phase::kSizeLf);
  if (is_space(c)) return enter(state, Phase::kExtNameSpace);
  if (c == ';') return enter(state, Phase::kExtStart);
  return c == '=' && enter(state, Phase::kExtValueStart);
}

bool take_extension_value_start(ChunkState& state, char c) {
  if (is_space(c)) return true;
  if (c == '"') return enter(state, Phase::kExtQuoted);
  return is_char(c, kTokenChar) && enter(state, Phase::kExtToken);
}

bool take_after_value(ChunkState& state, char c) {
  if (c == '\r') return enter(state, Phase::kSizeLf);
  if (c == ';') return enter(state, Phase::kExtStart);
  return is_space(c) && enter(state, Phase::kExtValueSpace);
}

bool take_extension_value(ChunkState& state, char c) {
  const bool token_goes_on = phase_of(state) == Phase::kExtToken && is_char(c, kTokenChar);
  return token_goes_on || take_after_value(state, c);
}

bool take_quoted(ChunkState& state, char c) {
  if (!is_char(c, kValueChar)) return false;
  if (phase_of(state) == Phase::kExtEscape) return enter(state, Phase::kExtQuoted);
  if (c == '\\') return enter(state, Phase::kExtEscape);
  if (c == '"') return enter(state, Phase::kExtValueEnd);
  return true;
}

bool end_size_line(ChunkState& state, char c) {
  state.line_bytes = 0;
  return c == '\n' && enter(state, state.remaining > 0 ? Phase::kData : Phase::kTrailerStart);
}

bool end_data(ChunkState& state, char c) {
  if (phase_of(state) == Phase::kDataCr) return c == '\r' && enter(state, Phase::kDataLf);
  state = ChunkState{};
  return c == '\n';
}

bool take_trailer_name(ChunkState& state, char c) {
  if (c == ':' && phase_of(state) == Phase::kTrailerName) {
    for (std::size_t i = 0; i < kForbiddenTrailers.size(); ++i) {
      const bool equal = (state.matching & (1U << i)) != 0 && state.digits == kForbiddenTrailers[i].size();
      if (equal) return false;
    }
    return enter(state, Phase::kTrailerValue);
  }
  if (!is_char(c, kTokenChar)) return false;
  for (std::size_t i = 0; i < kForbiddenTrailers.size(); ++i) {
    const auto name = kForbiddenTrailers[i];
    const bool fits = state.digits < name.size() && name[state.digits] == to_lower(c);
    if (!fits) state.matching = static_cast<std::uint16_t>(state.matching & ~(1U << i));
  }
  if (state.digits < kTooLongToMatch) ++state.digits;
  return enter(state, Phase::kTrailerName);
}

bool begin_trailer(ChunkState& state, char c) {
  if (c == '\r') return enter(state, Phase::kEndLf);
  state.matching = kAllForbidden;
  state.digits = 0;
  return take_trailer_name(state, c);
}

bool take_trailer_value(ChunkState& state, char c) {
  return c == '\r' ? enter(state, Phase::kTrailerLf) : is_char(c, kValueChar);
}

// Takes one byte of a size line, of the end of a chunk, or of the trailers.
bool take_byte(ChunkState& state, char c) {
  switch (phase_of(state)) {
    case Phase::kSizeStart:
    case Phase::kSize: return take_size_byte(state, c);
    case Phase::kSizeSpace:
    case Phase::kExtNameSpace:
    case Phase::kExtValueSpace: return take_after_space(state, c);
    case Phase::kExtStart:
    case Phase::kExtName: return take_extension_name(state, c);
    case Phase::kExtValueStart: return take_extension_value_start(state, c);
    case Phase::kExtToken:
    case Phase::kExtValueEnd: return take_extension_value(state, c);
    case Phase::kExtQuoted:
    case Phase::kExtEscape: return take_quoted(state, c);
    case Phase::kSizeLf: return end_size_line(state, c);
    case Phase::kDataCr:
    case Phase::kDataLf: return end_data(state, c);
    case Phase::kTrailerStart: return begin_trailer(state, c);
    case Phase::kTrailerName: return take_trailer_name(state, c);
    case Phase::kTrailerValue: return take_trailer_value(state, c);
    case Phase::kTrailerLf: return c == '\n' && enter(state, Phase::kTrailerStart);
    case Phase::kEndLf: return c == '\n' && enter(state, Phase::kDone);
    case Phase::kData:
    case Phase::kDone:
    case Phase::kFailed: break;
  }
  return false;
}

bool in_trailers(const ChunkState& state) {
  return state.phase >= static_cast<std::uint8_t>(Phase::kTrailerStart);
}

// Counts a byte against the limit of its line or of the trailers.
bool within_bounds(ChunkState& state) {
  return ++state.line_bytes <= (in_trailers(state) ? kMaxTrailers : kMaxSizeLine);
}

ChunkStep fail(ChunkState& state, std::size_t consumed, const char* reason) {
  enter(state, Phase::kFailed);
  return {ChunkStep::Kind::kError, consumed, {}, reason};
}

ChunkStep take_data(std::string_view input, std::size_t at, ChunkState& state) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(state.remaining, input.size() - at));
  state.remaining -= size;
  if (state.remaining == 0) enter(state, Phase::kDataCr);
  return {ChunkStep::Kind::kData, at + size, input.substr(at, size), ""};
}

}  // namespace

ChunkStep decode_chunked(std::string_view input, ChunkState& state) {
  std::size_t at = 0;
  while (phase_of(state) != Phase::kDone) {
    if (at == input.size()) return {ChunkStep::Kind::kNeedMore, at, {}, ""};
    if (phase_of(state) == Phase::kData) return take_data(input, at, state);
    if (!within_bounds(state)) return fail(state, at, "chunk line or trailers too long");
    if (!take_byte(state, input[at])) return fail(state, at, "malformed chunk");
    ++at;
  }
  return {ChunkStep::Kind::kDone, at, {}, ""};
}

}  // namespace baton::http
