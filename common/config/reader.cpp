#include "common/config/reader.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "common/base/printable.h"
#include "common/config/nearest_name.h"
#include "common/config/syntax.h"

namespace baton {
namespace {

constexpr Duration kShortest{1};
constexpr Duration kLongest = std::chrono::hours{24};

bool is_control(char c) {
  return (c >= '\0' && c < ' ') || c == '\x7f';
}

template <typename Names>
std::string join(const Names& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

std::string range_text(std::int64_t min, std::int64_t max) {
  return "from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

void ConfigErrors::add(SourcePosition at, std::string_view message) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string visible;
  for (const char c : message) {
    if (is_control(c)) {
      const auto byte = static_cast<unsigned char>(c);
      visible += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    } else {
      visible += c;
    }
  }
  errors_.push_back({file_, at.line, at.column, std::move(visible)});
}

std::string ConfigErrors::place(SourcePosition at) const {
  return file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::vector<ConfigError> ConfigErrors::in_file_order() && {
  std::ranges::stable_sort(errors_, {}, [](const ConfigError& e) { return std::tie(e.line, e.column); });
  return std::move(errors_);
}

TableReader::TableReader(const TomlValue& table, std::string name, ConfigErrors& errors)
    : entries_(*table.table()), at_(table.at), name_(std::move(name)), errors_(errors) {}

const TomlValue* TableReader::find(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.push_back(key);
  const auto entry = std::ranges::find(entries_, key, &TomlEntry::key);
  return entry == entries_.end() ? nullptr : &entry->value;
}

void TableReader::fail_type(std::string_view key, const TomlValue& value, std::string_view expected) {
  fail(value.at, quoted(key) + " in " + name_ + " is " + std::string{value.type_name()} + "; expected " +
                     std::string{expected});
}

std::optional<Located<std::string>> TableReader::string_value(std::string_view key, const TomlValue& value) {
  const std::string* found = value.string();
  if (found == nullptr) {
    fail_type(key, value, "a string");
    return std::nullopt;
  }
  if (std::ranges::any_of(*found, is_control)) {
    fail(value.at, quoted(key) + " in " + name_ + " contains a control character; expected plain text");
    return std::nullopt;
  }
  return Located<std::string>{*found, value.at};
}

std::optional<Located<std::string>> TableReader::string(std::string_view key) {
  const TomlValue* value = find(key);
  return value == nullptr ? std::nullopt : string_value(key, *value);
}

std::optional<Located<std::string>> TableReader::text(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->string() != nullptr) return Located<std::string>{*value->string(), value->at};
  fail_type(key, *value, "a string");
  return std::nullopt;
}

std::optional<Located<std::string>> TableReader::required_string(std::string_view key) {
  if (find(key) != nullptr) return string(key);
  fail(at_, name_ + " has no " + quoted(key) + ", which it needs");
  return std::nullopt;
}

std::optional<std::vector<Located<std::string>>> TableReader::strings(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->array() == nullptr) {
    fail_type(key, *value, "an array of strings");
    return std::nullopt;
  }
  std::vector<Located<std::string>> found;
  for (const TomlValue& element : *value->array()) {
    if (auto one = string_value(key, element)) found.push_back(std::move(*one));
  }
  return found;
}

std::optional<std::vector<Located<std::string>>> TableReader::string_or_strings(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr || value->string() == nullptr) return strings(key);
  auto one = string_value(key, *value);
  if (!one) return std::nullopt;
  return std::vector{std::move(*one)};
}

std::optional<std::size_t> TableReader::one_of(std::string_view key,
                                               std::initializer_list<std::string_view> choices) {
  const auto found = string(key);
  if (!found) return std::nullopt;
  const auto* choice = std::ranges::find(choices, found->value);
  if (choice != choices.end()) return static_cast<std::size_t>(choice - choices.begin());
  fail(found->at, quoted(key) + " is " + quoted(found->value) + "; expected one of " + join(choices));
  return std::nullopt;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->boolean() != nullptr) return *value->boolean();
  fail_type(key, *value, "true or false");
  return std::nullopt;
}

std::optional<Located<std::int64_t>> TableReader::integer(std::string_view key, std::int64_t min,
                                                          std::int64_t max) {
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::int64_t* number = value->integer();
  if (number == nullptr) {
    fail_type(key, *value, "an integer " + range_text(min, max));
    return std::nullopt;
  }
  if (*number < min || *number > max) {
    fail(value->at, quoted(key) + " is " + std::to_string(*number) + "; expected " + range_text(min, max));
    return std::nullopt;
  }
  return Located<std::int64_t>{*number, value->at};
}

std::optional<std::int64_t> TableReader::integer_or_auto(std::string_view key, std::int64_t min,
                                                         std::int64_t max) {
  const TomlValue* value = find(key);
  if (value == nullptr || value->string() == nullptr) {
    const auto number = integer(key, min, max);
    return number ? std::optional(number->value) : std::nullopt;
  }
  if (*value->string() != "auto") {
    fail(value->at, quoted(key) + " is " + quoted(*value->string()) + "; expected \"auto\" or an integer " +
                        range_text(min, max));
  }
  return std::nullopt;
}

std::optional<std::int64_t> TableReader::size(std::string_view key, std::int64_t min, std::int64_t max) {
  constexpr std::string_view kExpected = "bytes as an integer or a string such as \"16K\", \"1M\" or \"1G\"";
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::optional<std::int64_t> bytes;
  if (value->integer() != nullptr) {
    bytes = *value->integer();
  } else if (const std::string* written = value->string()) {
    bytes = parse_size(*written);
    if (!bytes) {
      fail(value->at, quoted(key) + " is " + quoted(*written) + "; expected " + std::string{kExpected});
      return std::nullopt;
    }
  } else {
    fail_type(key, *value, kExpected);
    return std::nullopt;
  }
  if (*bytes >= min && *bytes <= max) return bytes;
  fail(value->at, quoted(key) + " is " + std::to_string(*bytes) + " bytes; expected " + range_text(min, max));
  return std::nullopt;
}

std::optional<Duration> TableReader::duration(std::string_view key) {
  constexpr std::string_view kExpected = "a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\"";
  const TomlValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->string() == nullptr) {
    fail_type(key, *value, kExpected);
    return std::nullopt;
  }
  const auto duration = parse_duration(*value->string());
  if (!duration) {
    fail(value->at, quoted(key) + " is " + quoted(*value->string()) + "; expected " + std::string{kExpected});
    return std::nullopt;
  }
  if (*duration >= kShortest && *duration <= kLongest) return duration;
  fail(value->at, quoted(key) + " is " + quoted(*value->string()) + "; expected 1ms to 24h");
  return std::nullopt;
}

const TomlValue* TableReader::table(std::string_view key) {
  const TomlValue* value = find(key);
  if (value == nullptr || value->table() != nullptr) return value;
  fail_type(key, *value, "a table");
  return nullptr;
}

std::vector<const TomlValue*> TableReader::tables(std::string_view key) {
  const std::string expected = "an array of tables, each begun by [[" + std::string{key} + "]]";
  const TomlValue* value = find(key);
  if (value == nullptr) return {};
  if (value->array() == nullptr) {
    fail_type(key, *value, expected);
    return {};
  }
  std::vector<const TomlValue*> found;
  for (const TomlValue& element : *value->array()) {
    if (element.table() != nullptr) {
      found.push_back(&element);
    } else {
      fail_type(key, element, expected);
    }
  }
  return found;
}

std::vector<const TomlValue*> TableReader::required_tables(std::string_view key) {
  const std::string header = "[[" + std::string{key} + "]]";
  const TomlValue* value = find(key);
  if (value == nullptr) {
    fail(at_, "no " + header + " in " + name_ + "; expected at least one");
  } else if (value->array() != nullptr && value->array()->empty()) {
    fail(value->at, quoted(key) + " is empty; expected at least one " + header);
  }
  return tables(key);
}

void TableReader::finish() {
  for (const TomlEntry& entry : entries_) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    const auto nearest = nearest_name(entry.key, known_);
    fail(entry.at, "unknown key " + quoted(entry.key) + " in " + name_ + "; " +
                       (nearest ? "did you mean " + quoted(*nearest) + "?" : "known keys: " + join(known_)));
  }
}

}  // namespace baton
