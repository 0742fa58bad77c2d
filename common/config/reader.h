// Typed access to a table of the configuration file. A reader reports mistakes instead of throwing, so that
// one pass over the file finds them all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/config.h"
#include "common/config/toml_document.h"

namespace baton {

// Collects the errors of one file.
class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}

  // Makes control characters in `message` visible, because it may quote the file.
  void add(SourcePosition at, std::string_view message);
  [[nodiscard]] std::vector<ConfigError> in_file_order() &&;
  // "FILE:LINE:COLUMN", to name another place in a message.
  [[nodiscard]] std::string place(SourcePosition at) const;

 private:
  std::string file_;
  std::vector<ConfigError> errors_;
};

// A value and its place in the file.
template <typename T>
struct Located {
  T value;
  SourcePosition at;
};

// Reads one table. Every accessor makes its key a known one. It returns nothing when the key is absent or
// its value is wrong, and reports a wrong value. Call finish() last: it reports the keys that no accessor
// asked for. Keys are remembered, not copied, so pass literals.
class TableReader {
 public:
  // `table` must be a table and outlive the reader. `name` appears in messages: "[server]".
  TableReader(const TomlValue& table, std::string name, ConfigErrors& errors);

  // Strings. Only text() accepts control characters.
  std::optional<Located<std::string>> string(std::string_view key);
  std::optional<Located<std::string>> text(std::string_view key);
  std::optional<Located<std::string>> required_string(std::string_view key);
  std::optional<std::vector<Located<std::string>>> strings(std::string_view key);  // ["a", "b"]
  // "a" or ["a", "b"].
  std::optional<std::vector<Located<std::string>>> string_or_strings(std::string_view key);
  std::optional<std::size_t> one_of(std::string_view key, std::initializer_list<std::string_view> choices);

  std::optional<bool> boolean(std::string_view key);
  std::optional<Located<std::int64_t>> integer(std::string_view key, std::int64_t min, std::int64_t max);
  // An integer, or "auto", which is returned as nothing.
  std::optional<std::int64_t> integer_or_auto(std::string_view key, std::int64_t min, std::int64_t max);
  std::optional<std::int64_t> size(std::string_view key, std::int64_t min, std::int64_t max);  // 4096 or "4K"
  std::optional<Duration> duration(std::string_view key);                                      // "1ms".."24h"

  const TomlValue* table(std::string_view key);                         // { .. } or [name]
  std::vector<const TomlValue*> tables(std::string_view key);           // [[name]]
  std::vector<const TomlValue*> required_tables(std::string_view key);  // at least one [[name]]

  // The value of any type, for keys that accept several types.
  const TomlValue* find(std::string_view key);

  void fail(SourcePosition at, std::string_view message) { errors_.add(at, message); }
  void fail_type(std::string_view key, const TomlValue& value, std::string_view expected);
  void finish();

  [[nodiscard]] SourcePosition at() const { return at_; }

 private:
  std::optional<Located<std::string>> string_value(std::string_view key, const TomlValue& value);

  const TomlValue::Table& entries_;
  SourcePosition at_;
  std::string name_;
  ConfigErrors& errors_;
  std::vector<std::string_view> known_;
};

}  // namespace baton
