// A TOML file as plain values with positions. All code except the parsing needs only this header, so the
// TOML library, which is slow to compile, stays inside toml_document.cpp.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton {

// A place in the file. Line and column are 1-based, and a column counts characters, not bytes. {0, 0}: the
// whole file.
struct SourcePosition {
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  // clang-tidy 14 takes the comparison with 0 inside for a comparison with a pointer.
  auto operator<=>(const SourcePosition&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct TomlEntry;

// One value of the file. Tables and arrays keep the order of the file.
struct TomlValue {
  using Array = std::vector<TomlValue>;
  using Table = std::vector<TomlEntry>;
  struct DateOrTime {};  // the configuration uses none, so only its presence matters

  std::variant<DateOrTime, bool, std::int64_t, double, std::string, Array, Table> data;
  SourcePosition at;

  [[nodiscard]] const bool* boolean() const { return std::get_if<bool>(&data); }
  [[nodiscard]] const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data); }
  [[nodiscard]] const std::string* string() const { return std::get_if<std::string>(&data); }
  [[nodiscard]] const Array* array() const { return std::get_if<Array>(&data); }
  [[nodiscard]] const Table* table() const { return std::get_if<Table>(&data); }
  [[nodiscard]] std::string_view type_name() const;  // with its article: "an integer", "a table"
};

struct TomlEntry {
  std::string key;
  SourcePosition at;  // the key's
  TomlValue value;
};

struct TomlSyntaxError {
  SourcePosition at;
  std::string message;
};

// Parses TOML 1.0. The result is a table: the top level.
std::variant<TomlValue, TomlSyntaxError> parse_toml(std::string_view text);

}  // namespace baton
