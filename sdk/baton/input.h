// Part of <baton/module.h>. Reads JSON that a client has sent, with checks.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "error.h"

namespace baton::inline sdk {

// A value within a JSON text, and its place there. A value that is not as the handler asks is the client's
// mistake: it throws HttpError 400, which says where and what: "/items/3/price: a number was expected, not a
// string". The place is a JSON pointer (RFC 6901).
//
// Like a std::string_view, it is cheap to copy, and valid as long as the JSON is; for Request::input() that
// is the handler's call.
class Input {
 public:
  // `root` is not copied, and must not be nested deeper than the stack can take (Request::input() ensures
  // that).
  explicit Input(const nlohmann::json& root) : Input(root, root) {}
  explicit Input(nlohmann::json&&) = delete;

  // A member of an object, or an element of an array. Throws HttpError 400 if it is missing.
  [[nodiscard]] Input operator[](std::string_view key) const {
    if (auto member = find(key)) return *member;
    throw bad_place(way() + step(key) + " is missing");
  }
  [[nodiscard]] Input operator[](std::size_t index) const {
    expect(value_->is_array(), "an array");
    if (index < value_->size()) return {*root_, (*value_)[index]};
    throw bad_place(way() + step(std::to_string(index)) + " is missing");
  }
  // A member of an object; nothing if it is missing.
  [[nodiscard]] std::optional<Input> find(std::string_view key) const {
    expect(value_->is_object(), "an object");
    const auto member = value_->find(std::string(key));
    if (member == value_->end()) return std::nullopt;
    return Input(*root_, *member);
  }

  // The value as a T. Throws HttpError 400 if it is of another type. Numbers have to fit: they are neither
  // rounded to an integer nor wrapped around. T may be:
  //   bool, a number type, std::string
  //   std::string_view, valid as long as the JSON is
  //   std::vector of such a T, std::map of std::string and such a T
  //   std::optional of such a T: null is nothing
  //   any type that nlohmann::json can be read as (from_json)
  template <typename T>
  [[nodiscard]] T get() const;
  // A member as a T. A missing member is an error, unless T is a std::optional: then it is nothing.
  template <typename T>
  [[nodiscard]] T get(std::string_view key) const;
  // A member as a T, or `fallback` if it is missing.
  template <typename T>
  [[nodiscard]] T get(std::string_view key, T fallback) const {
    const auto member = find(key);
    return member ? member->template get<T>() : std::move(fallback);
  }

  // All elements of an array, in order.
  [[nodiscard]] std::vector<Input> elements() const;
  // All members of an object, in the order of their names.
  [[nodiscard]] std::vector<std::pair<std::string_view, Input>> members() const;
  // Throws HttpError 400 if the object has other members than these.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  // Returns the error to throw if the value has another fault:
  // `throw q.input()["title"].bad("1 to 500 bytes")`.
  [[nodiscard]] HttpError bad(std::string_view why) const {
    std::string place = way();
    if (place.empty()) place = "the JSON";
    return bad_place(place.append(": ").append(why));
  }
  // The value without checks.
  [[nodiscard]] const nlohmann::json& json() const { return *value_; }

 private:
  Input(const nlohmann::json& root, const nlohmann::json& value) : root_(&root), value_(&value) {}

  void expect(bool holds, const std::string& what) const {
    if (!holds) throw bad(what + " was expected, not " + description());
  }
  template <typename T>
  T number() const;
  template <typename T>
  T converted() const;
  [[nodiscard]] std::string description() const;
  [[nodiscard]] std::string way() const;
  bool append_way(const nlohmann::json& from, std::string& way) const;
  static std::string step(std::string_view name);
  static HttpError bad_place(const std::string& message) { return HttpError(400, message); }

  const nlohmann::json* root_;
  const nlohmann::json* value_;
};

namespace detail {

template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
inline constexpr bool is_vector = false;
template <typename T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <typename T>
inline constexpr bool is_map = false;
template <typename T>
inline constexpr bool is_map<std::map<std::string, T>> = true;

}  // namespace detail

template <typename T>
T Input::get() const {
  if constexpr (std::same_as<T, Input>) {
    return *this;
  } else if constexpr (std::same_as<T, bool>) {
    expect(value_->is_boolean(), "true or false");
    return value_->template get<bool>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    return number<T>();
  } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
    expect(value_->is_string(), "a string");
    return T(value_->template get_ref<const std::string&>());
  } else if constexpr (detail::is_optional<T>) {
    return value_->is_null() ? T() : T(get<typename T::value_type>());
  } else if constexpr (detail::is_vector<T>) {
    T all;
    for (const Input& element : elements()) all.push_back(element.get<typename T::value_type>());
    return all;
  } else if constexpr (detail::is_map<T>) {
    T all;
    for (const auto& [name, member] : members()) {
      all.emplace(std::string(name), member.template get<typename T::mapped_type>());
    }
    return all;
  } else {
    return converted<T>();
  }
}

template <typename T>
T Input::get(std::string_view key) const {
  if constexpr (detail::is_optional<T>) {
    const auto member = find(key);
    return member ? member->template get<T>() : T();
  } else {
    return (*this)[key].template get<T>();
  }
}

inline std::vector<Input> Input::elements() const {
  expect(value_->is_array(), "an array");
  std::vector<Input> all;
  all.reserve(value_->size());
  for (const nlohmann::json& element : *value_) all.push_back({*root_, element});
  return all;
}

inline std::vector<std::pair<std::string_view, Input>> Input::members() const {
  expect(value_->is_object(), "an object");
  std::vector<std::pair<std::string_view, Input>> all;
  all.reserve(value_->size());
  for (const auto& [name, member] : value_->template get_ref<const nlohmann::json::object_t&>()) {
    all.emplace_back(name, Input(*root_, member));
  }
  return all;
}

inline void Input::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [name, member] : members()) {
    bool known = false;
    for (const std::string_view key : keys) known = known || key == name;
    if (!known) throw bad_place(member.way() + " is not known here");
  }
}

template <typename T>
T Input::number() const {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::floating_point<T>) {
    expect(value_->is_number(), "a number");
    const auto number = value_->template get<double>();
    expect(number >= Limits::lowest() && number <= Limits::max(), "a smaller number");
    return static_cast<T>(number);
  } else {
    const bool fits = value_->is_number_unsigned()
                          ? std::cmp_less_equal(value_->template get<std::uint64_t>(), Limits::max())
                          : value_->is_number_integer() &&
                                std::cmp_greater_equal(value_->template get<std::int64_t>(), Limits::min());
    if (!fits) {
      expect(false,
             "a whole number from " + std::to_string(Limits::min()) + " to " + std::to_string(Limits::max()));
    }
    return value_->template get<T>();
  }
}

// The messages of nlohmann::json begin with "[json.exception.type_error.302] ", which is left out.
template <typename T>
T Input::converted() const {
  try {
    return value_->template get<T>();
  } catch (const nlohmann::json::exception& error) {
    std::string_view why = error.what();
    if (const std::size_t end = why.find("] "); end != std::string_view::npos) why.remove_prefix(end + 2);
    throw bad(why);
  }
}

inline std::string Input::description() const {
  switch (value_->type()) {
    case nlohmann::json::value_t::null: return "null";
    case nlohmann::json::value_t::boolean: return value_->get<bool>() ? "true" : "false";
    case nlohmann::json::value_t::string: return "a string";
    case nlohmann::json::value_t::array: return "an array";
    case nlohmann::json::value_t::object: return "an object";
    default: return value_->dump();  // a number
  }
}

// Searches for the value's place only when an error is reported, so that access costs nothing.
inline std::string Input::way() const {
  std::string way;
  append_way(*root_, way);
  return way;
}

inline bool Input::append_way(const nlohmann::json& from, std::string& way) const {
  if (&from == value_) return true;
  if (!from.is_structured()) return false;
  const std::size_t before = way.size();
  for (const auto& [name, child] : from.items()) {
    way += step(name);
    if (append_way(child, way)) return true;
    way.resize(before);
  }
  return false;
}

// Cuts a long name: the client has chosen it, and it may be of any length.
inline std::string Input::step(std::string_view name) {
  constexpr std::size_t kMostOfName = 60;
  std::string text = "/";
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool within_character = (static_cast<unsigned char>(name[i]) & 0xc0) == 0x80;
    if (i >= kMostOfName && !within_character) return text + "...";
    if (name[i] == '~') {
      text += "~0";
    } else if (name[i] == '/') {
      text += "~1";
    } else {
      text += name[i];
    }
  }
  return text;
}

}  // namespace baton::inline sdk
