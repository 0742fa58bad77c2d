#include "common/http/request.h"

#include "common/http/chars.h"

namespace baton::http {
namespace {

const Field* find_field(const Request& request, std::string_view lower_case_name) {
  for (const Field& field : request.fields) {
    if (iequals(field.name, lower_case_name)) return &field;
  }
  return nullptr;
}

}  // namespace

std::string_view Request::field(std::string_view lower_case_name) const {
  const Field* const found = find_field(*this, lower_case_name);
  return found != nullptr ? found->value : std::string_view{};
}

bool Request::has_field(std::string_view lower_case_name) const {
  return find_field(*this, lower_case_name) != nullptr;
}

bool iequals(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (to_lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

}  // namespace baton::http
