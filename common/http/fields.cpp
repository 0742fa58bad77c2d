#include "common/http/fields.h"

#include "common/http/chars.h"
#include "common/http/request.h"

namespace baton::http {

namespace {

constexpr std::size_t kBetween = 2;  // ": "
constexpr std::size_t kBehind = 2;   // CRLF

}  // namespace

void Fields::add(std::string_view name, std::string_view value) {
  places_.push_back({lines_.size(), name.size(), value.size()});
  lines_.append(name).append(": ").append(value).append("\r\n");
}

void Fields::add(const Fields& others) {
  const std::size_t before = lines_.size();
  for (const Place& place : others.places_)
    places_.push_back({before + place.begin, place.name, place.value});
  lines_ += others.lines_;
}

void Fields::remove(std::string_view name) {
  const std::string lower = lower_case(name);
  for (std::size_t i = size(); i-- > 0;) {
    if (!iequals((*this)[i].name, lower)) continue;
    const Place gone = places_[i];
    const std::size_t length = gone.name + kBetween + gone.value + kBehind;
    lines_.erase(gone.begin, length);
    places_.erase(places_.begin() + static_cast<std::ptrdiff_t>(i));
    for (std::size_t behind = i; behind < size(); ++behind) places_[behind].begin -= length;
  }
}

void Fields::clear() {
  lines_.clear();
  places_.clear();
}

bool Fields::has(std::string_view lower_case_name) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (iequals((*this)[i].name, lower_case_name)) return true;
  }
  return false;
}

Fields::Field Fields::operator[](std::size_t i) const {
  const Place& place = places_[i];
  const std::string_view lines = lines_;
  return {lines.substr(place.begin, place.name),
          lines.substr(place.begin + place.name + kBetween, place.value)};
}

}  // namespace baton::http
