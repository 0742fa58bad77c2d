// Character classes of RFC 9110 and RFC 3986, and the scans over them, in which the parser spends its time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace baton::http {

enum CharClass : std::uint8_t {
  kTokenChar = 1,    // tchar, RFC 9110 5.6.2
  kTargetChar = 2,   // every byte that a target may hold when it is read: any except CTL, SP, DEL and '#'
  kValueChar = 4,    // field-vchar, SP and HTAB, RFC 9110 5.5: no CTL except TAB, no DEL, obs-text allowed
  kRegNameChar = 8,  // unreserved, sub-delims and '%', RFC 3986 3.2.2
  kPathChar = 16,    // pchar without '%', and '/', RFC 3986 3.3
  kUriChar = 32,     // what may stand in a path or a query, RFC 3986 3.3 and 3.4
};

namespace detail {

constexpr std::array<std::uint8_t, 256> make_classes() {
  constexpr std::string_view kAlnum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";
  constexpr std::string_view kUnreservedMarks = "-._~";
  constexpr std::string_view kSubDelims = "!$&'()*+,;=";
  std::array<std::uint8_t, 256> classes{};
  const auto add = [&classes](std::string_view chars, int which) {
    for (const char c : chars) {
      auto& entry = classes[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | which);
    }
  };
  add(kAlnum, kTokenChar | kRegNameChar | kPathChar | kUriChar);
  add(kTokenMarks, kTokenChar);
  add(kUnreservedMarks, kRegNameChar | kPathChar | kUriChar);
  add(kSubDelims, kRegNameChar | kPathChar | kUriChar);
  add("%", kRegNameChar | kUriChar);
  add(":@/", kPathChar | kUriChar);
  add("?", kUriChar);
  for (unsigned c = 0; c < 256; ++c) {
    const bool visible = c > 0x20 && c < 0x7f;
    if ((visible && c != '#') || c > 0x7f) classes[c] |= kTargetChar;
    if (visible || c == ' ' || c == '\t' || c > 0x7f) classes[c] |= kValueChar;
  }
  return classes;
}

inline constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr std::uint64_t kEveryByte = 0x0101010101010101;
constexpr std::uint64_t kEveryTopBit = kEveryByte * 0x80;

// Not 0 if a byte of `word` is below `bound` (at most 0x80). Only the lowest flag is certain: those above
// it may be wrong.
constexpr std::uint64_t any_below(std::uint64_t word, std::uint64_t bound) {
  return (word - kEveryByte * bound) & ~word & kEveryTopBit;
}

constexpr std::uint64_t any_equal(std::uint64_t word, unsigned char byte) {
  return any_below(word ^ (kEveryByte * byte), 1);
}

static_assert(std::endian::native == std::endian::little, "the lowest flag is that of the first byte");
constexpr int first_flagged(std::uint64_t flags) {
  return std::countr_zero(flags) / 8;
}

inline std::uint64_t load_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

}  // namespace detail

constexpr bool is_char(char c, CharClass which) {
  return (detail::kClasses[static_cast<unsigned char>(c)] & which) != 0;
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool is_space(char c) {
  return c == ' ' || c == '\t';
}  // OWS and BWS, RFC 9110 5.6.3

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

inline std::string lower_case(std::string_view text) {
  std::string lower{text};
  for (char& c : lower) c = to_lower(c);
  return lower;
}

// The value of a hexadecimal digit, 0 to 15, or -1.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The three skips return the first byte in [at, end) that is not of their class, or `end`.
inline const char* skip_chars(const char* at, const char* end, CharClass which) {
  while (at != end && is_char(*at, which)) ++at;
  return at;
}

// Like skip_chars(kValueChar), but eight bytes at a time, because values are most of a head. The stop is
// found by its bit. A loop over the last bytes would end at another count each time, which costs one
// mispredicted branch per field.
inline const char* skip_value(const char* at, const char* end) {
  using namespace detail;
  while (end - at >= 8) {
    const std::uint64_t word = load_word(at);
    const std::uint64_t strange = any_below(word, 0x20) | any_equal(word, 0x7f);
    if (strange == 0) {
      at += 8;
      continue;
    }
    at += first_flagged(strange);
    if (*at != '\t') return at;
    ++at;
  }
  return skip_chars(at, end, kValueChar);
}

inline const char* skip_target(const char* at, const char* end) {
  using namespace detail;
  while (end - at >= 8) {
    const std::uint64_t word = load_word(at);
    const std::uint64_t strange = any_below(word, 0x21) | any_equal(word, 0x7f) | any_equal(word, '#');
    if (strange != 0) return at + first_flagged(strange);
    at += 8;
  }
  return skip_chars(at, end, kTargetChar);
}

inline std::string_view trim_spaces(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

inline bool is_token(std::string_view text) {
  const char* const end = text.data() + text.size();
  return !text.empty() && skip_chars(text.data(), end, kTokenChar) == end;
}

}  // namespace baton::http
