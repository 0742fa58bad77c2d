// Part of <baton/module.h>. Decoding what clients write: percent-encoding, fields with parameters, cookies.
//
// All functions accept any bytes, look at each byte a fixed number of times, and never read outside the text.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::inline sdk {

// A name and its value. The text belongs to the request and is valid during the handler's call.
struct Field {
  std::string_view name;
  std::string_view value;
};

// The value of the first field of exactly this name; nothing if there is none.
inline std::optional<std::string_view> find_field(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

namespace detail {

inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// `text` without spaces and tabs at both ends.
inline std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the text before the first `separator`, or all if there is none, off `rest` and returns it. The
// separator goes as well.
inline std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char letter = lower(c);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// The byte that "%xy" at the start of `text` stands for, or -1.
inline int percent_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_digit(text[1]);
  const int low = hex_digit(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Decodes as for HTML forms: "+" is a space, and a "%" without two hexadecimal digits stands for itself.
inline std::string form_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = percent_byte(text.substr(i));
    if (byte >= 0) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// Fields that are views of the text they were read from, or of `decoded` where decoding has changed them. Can
// be moved, because the nodes of a list stay where they are.
struct DecodedFields {
  std::vector<Field> fields;
  std::list<std::string> decoded;

  std::string_view keep(std::string text) { return decoded.emplace_back(std::move(text)); }
};

// Reads "a=1&b=x+y" (URL Standard, application/x-www-form-urlencoded). Returns false as soon as there are
// more than `limit` fields.
inline bool parse_urlencoded(std::string_view text, std::size_t limit, DecodedFields& result) {
  const auto decode = [&](std::string_view piece) {
    if (piece.find_first_of("%+") == std::string_view::npos) return piece;
    return result.keep(form_decoded(piece));
  };
  while (!text.empty()) {
    std::string_view value = take_until(text, '&');
    if (value.empty()) continue;
    if (result.fields.size() == limit) return false;
    const std::string_view name = take_until(value, '=');
    result.fields.push_back({decode(name), decode(value)});
  }
  return true;
}

// Takes a quoted string off `rest`, which begins with its first quote. A quote in the string may be written
// \". But browsers do not escape the backslash itself, so a backslash before the last quote is no escape.
inline std::string take_quoted(std::string_view& rest) {
  std::string text;
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != '"'; ++i) {
    const bool quote = rest[i] == '\\' && i + 1 < rest.size() && rest[i + 1] == '"';
    if (quote && i + 2 < rest.size() && rest[i + 2] != ';') ++i;
    text += rest[i];
  }
  rest.remove_prefix(i < rest.size() ? i + 1 : rest.size());
  return text;
}

// A parameter of a field such as `form-data; name="a"; filename="b"`; the first of several with this name.
inline std::optional<std::string> field_parameter(std::string_view field, std::string_view wanted) {
  take_until(field, ';');
  while (!field.empty()) {
    const std::size_t name_end = field.find_first_of("=;");
    const std::string_view name = trim(field.substr(0, name_end));
    const bool has_value = name_end != std::string_view::npos && field[name_end] == '=';
    field.remove_prefix(name_end == std::string_view::npos ? field.size() : name_end + 1);
    if (!has_value) continue;
    const std::size_t start = field.find_first_not_of(" \t");
    field.remove_prefix(start == std::string_view::npos ? field.size() : start);
    std::string value;
    if (field.starts_with('"')) {
      value = take_quoted(field);
      take_until(field, ';');
    } else {
      value = trim(take_until(field, ';'));
    }
    if (same_name(name, wanted)) return value;
  }
  return std::nullopt;
}

// "text/html" of "text/html; charset=utf-8".
inline std::string_view media_type(std::string_view field) {
  return trim(take_until(field, ';'));
}

// Adds the pairs of one Cookie field to `cookies` (RFC 6265 5.4), without quotes around a value.
inline void parse_cookies(std::string_view text, std::vector<Field>& cookies) {
  while (!text.empty()) {
    std::string_view value = take_until(text, ';');
    if (value.find('=') == std::string_view::npos) continue;
    const std::string_view name = trim(take_until(value, '='));
    value = trim(value);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (!name.empty()) cookies.push_back({name, value});
  }
}

// How deep the arrays and objects of a JSON text are nested. For a text that is no JSON, any number.
inline std::size_t json_depth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = ++depth > deepest ? depth : deepest;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace detail
}  // namespace baton::inline sdk
