// What the SDK reads of what clients write: forms, cookies, parameters of fields, the depth of JSON. Results
// lie inside of the input, and limits hold.
//
// The first line of the input is the Content-Type, the rest the body.
#include <baton/module.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_form(std::string_view type, std::string_view body) {
  constexpr std::size_t kMaxFields = 20;
  try {
    const baton::Form form = baton::Form::parse(type, body, kMaxFields);
    require(form.fields().size() + form.files().size() <= kMaxFields, "the limit holds");
    for (const baton::Field& field : form.fields()) {
      require(field.value.size() <= body.size(), "values never grow");
      require(form.field(field.name).has_value(), "a field is found by its name");
    }
    for (const baton::FormFile& file : form.files()) {
      require(inside(file.body, body), "a file is part of the body");
      require(file.content_type.size() <= body.size(), "its type is no longer than it was sent");
      const std::string safe = file.safe_name();
      require(safe.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos,
              "safe names are no paths");
      require(!safe.starts_with('.'), "safe names do not begin with a dot");
    }
  } catch (const baton::HttpError& error) {
    require(error.status() == 400 || error.status() == 413 || error.status() == 415, "a client's error");
  }
}

void check_cookies(std::string_view text) {
  std::vector<baton::Field> cookies;
  baton::detail::parse_cookies(text, cookies);
  for (const baton::Field& cookie : cookies) {
    require(!cookie.name.empty(), "cookies have names");
    require(inside(cookie.name, text) && inside(cookie.value, text), "cookies are views");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly this size, so that a byte too far is noticed.
  const std::vector<char> copy(data, data + size);
  std::string_view body(copy.data(), copy.size());
  const std::string_view type = baton::detail::take_until(body, '\n');
  check_form(type, body);
  check_form("application/x-www-form-urlencoded", body);
  check_form("multipart/form-data; boundary=a", body);
  check_cookies(body);
  baton::detail::field_parameter(body, "name");
  require(baton::detail::json_depth(body) <= body.size(), "no deeper than long");
  return 0;
}
