// Part of <baton/module.h>. HTML forms: application/x-www-form-urlencoded and multipart/form-data (RFC 7578).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.h"
#include "text.h"

namespace baton::inline sdk {

// A file of a form. All of it is the client's word; the text is valid during the handler's call.
struct FormFile {
  std::string_view name;          // of the form's field
  std::string_view filename;      // as the client says: never make a path of it, use safe_name()
  std::string_view content_type;  // "" when the client gave none
  std::string_view body;          // in the request's body, not a copy

  // What follows the last "/" or "\" of the file name, without control characters and without dots in front.
  // May be empty.
  [[nodiscard]] std::string safe_name() const {
    std::string safe;
    const std::size_t slash = filename.find_last_of("/\\");
    for (const char c : filename.substr(slash == std::string_view::npos ? 0 : slash + 1)) {
      const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      if (!control && !(safe.empty() && c == '.')) safe += c;
    }
    return safe;
  }
};

class Form {
 public:
  // The value of the first field of this name that is no file.
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const {
    return find_field(text_.fields, name);
  }
  // All fields that are no files, in the order sent.
  [[nodiscard]] const std::vector<Field>& fields() const { return text_.fields; }

  // The first file of this name; null when there is none, or the user chose none.
  [[nodiscard]] const FormFile* file(std::string_view name) const {
    for (const FormFile& file : files_) {
      if (file.name == name) return &file;
    }
    return nullptr;
  }
  [[nodiscard]] const std::vector<FormFile>& files() const { return files_; }

  // Reads `body`, which the form refers to from then on. Throws HttpError: 415 for another media type, 400
  // for a multipart body that is malformed, 413 for more than `max_fields` fields and files together.
  static Form parse(std::string_view content_type, std::string_view body, std::size_t max_fields);

 private:
  void add_part(std::string_view head, std::string_view body);

  detail::DecodedFields text_;
  std::vector<FormFile> files_;
};

namespace detail {

[[noreturn]] inline void bad_form(const char* why) {
  throw HttpError(400, std::string("malformed form: ") + why);
}

// Browsers write these three of a name as "%22", "%0D" and "%0A", and nothing else.
inline std::string part_name_decoded(std::string_view text) {
  std::string name;
  name.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = percent_byte(text.substr(i));
    const bool escape = byte == '"' || byte == '\r' || byte == '\n';
    name += escape ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return name;
}

// The parts of a multipart body, one after the other (RFC 2046 5.1.1).
class MultipartReader {
 public:
  struct Part {
    std::string_view head;  // lines, each with its CRLF
    std::string_view body;
  };

  MultipartReader(std::string_view body, std::string_view boundary)
      : delimiter_(std::string("\r\n--").append(boundary)), rest_(body) {
    const std::string_view first = std::string_view(delimiter_).substr(2);
    if (rest_.starts_with(first)) {
      rest_.remove_prefix(first.size());
    } else {
      take_until_delimiter();
    }
  }

  // The next part, or nothing behind the last. Throws HttpError.
  std::optional<Part> next() {
    if (rest_.starts_with("--")) return std::nullopt;
    const std::size_t padding = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(padding == std::string_view::npos ? rest_.size() : padding);
    if (!rest_.starts_with("\r\n")) bad_form("text behind a boundary");
    // The last CRLF of the head may be the one that the next delimiter begins with: the part is empty then.
    const std::size_t end = rest_.substr(0, kMaxHead).find("\r\n\r\n");
    if (end == std::string_view::npos) bad_form("a part's head does not end");
    const std::string_view head = rest_.substr(2, end);
    rest_.remove_prefix(end + 2);
    std::string_view body = take_until_delimiter();
    body.remove_prefix(body.size() < 2 ? body.size() : 2);
    return Part{head, body};
  }

 private:
  static constexpr std::size_t kMaxHead = 8192;

  // Linear, whatever the body: the delimiter's first byte is in it once, so failed attempts never overlap.
  std::string_view take_until_delimiter() {
    const std::size_t at = rest_.find(delimiter_);
    if (at == std::string_view::npos) bad_form("its last boundary is missing");
    const std::string_view before = rest_.substr(0, at);
    rest_.remove_prefix(at + delimiter_.size());
    return before;
  }

  std::string delimiter_;
  std::string_view rest_;
};

// The value of a header of a part; "" when there is none.
inline std::string_view part_header(std::string_view head, std::string_view wanted) {
  while (!head.empty()) {
    std::string_view value = take_until(head, '\n');
    if (value.ends_with('\r')) value.remove_suffix(1);
    const std::string_view name = take_until(value, ':');
    if (same_name(name, wanted)) return trim(value);
  }
  return {};
}

}  // namespace detail

inline void Form::add_part(std::string_view head, std::string_view body) {
  const std::string_view disposition = detail::part_header(head, "Content-Disposition");
  const std::optional<std::string> name = detail::field_parameter(disposition, "name");
  if (!detail::same_name(detail::media_type(disposition), "form-data") || !name) {
    detail::bad_form("a part without a name");
  }
  const std::string_view decoded_name = text_.keep(detail::part_name_decoded(*name));
  const std::optional<std::string> filename = detail::field_parameter(disposition, "filename");
  if (!filename) {
    text_.fields.push_back({decoded_name, body});
    return;
  }
  // What browsers send for a file input that was left empty.
  if (filename->empty() && body.empty()) return;
  const std::string_view decoded_filename = text_.keep(detail::part_name_decoded(*filename));
  files_.push_back({decoded_name, decoded_filename, detail::part_header(head, "Content-Type"), body});
}

inline Form Form::parse(std::string_view content_type, std::string_view body, std::size_t max_fields) {
  const auto too_many = [&] {
    return HttpError(413, "the form has more than " + std::to_string(max_fields) + " fields");
  };
  Form form;
  const std::string_view type = detail::media_type(content_type);
  if (detail::same_name(type, "application/x-www-form-urlencoded")) {
    if (!detail::parse_urlencoded(body, max_fields, form.text_)) throw too_many();
    return form;
  }
  if (!detail::same_name(type, "multipart/form-data")) throw HttpError(415, "a form is expected");
  const std::optional<std::string> boundary = detail::field_parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70 ||
      boundary->find_first_of("\r\n") != std::string::npos) {
    detail::bad_form("no usable boundary");
  }
  detail::MultipartReader reader(body, *boundary);
  for (std::size_t parts = 0; const auto part = reader.next(); ++parts) {
    if (parts == max_fields) throw too_many();
    form.add_part(part->head, part->body);
  }
  return form;
}

}  // namespace baton::inline sdk
