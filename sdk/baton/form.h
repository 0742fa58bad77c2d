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

// A file of a form. The client wrote all of it, so do not trust it. Valid during the handler's call.
struct FormFile {
  std::string_view name;          // of the form's field
  std::string_view filename;      // as the client says: never make a path of it, use safe_name()
  std::string_view content_type;  // "" when the client gave none
  std::string_view body;          // a view of the request's body, not a copy

  // The part of the file name behind its last "/" or "\", without control characters and leading dots. May be
  // empty.
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
  // The value of the first field of this name that is no file; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const {
    return find_field(text_.fields, name);
  }
  // All fields that are no files, in the order sent.
  [[nodiscard]] const std::vector<Field>& fields() const { return text_.fields; }

  // The first file of this name; null if there is none, or if the user chose none.
  [[nodiscard]] const FormFile* file(std::string_view name) const {
    for (const FormFile& file : files_) {
      if (file.name == name) return &file;
    }
    return nullptr;
  }
  [[nodiscard]] const std::vector<FormFile>& files() const { return files_; }

  // Reads `body`, which must outlive the form. Throws HttpError: 415 for another media type, 400 for a
  // malformed multipart body, 413 for more than `max_fields` fields and files together.
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

// Browsers write a quote, CR and LF in a name as "%22", "%0D" and "%0A", and encode nothing else.
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

// Reads the parts of a multipart body, one after the other (RFC 2046 5.1.1).
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

  // Returns the next part, or nothing after the last one. Throws HttpError.
  std::optional<Part> next() {
    if (rest_.starts_with("--")) return std::nullopt;
    const std::size_t padding = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(padding == std::string_view::npos ? rest_.size() : padding);
    if (!rest_.starts_with("\r\n")) bad_form("text behind a boundary");
    // If the part is empty, the last CRLF of its head may be the one that begins the next delimiter.
    const std::size_t end = rest_.substr(0, kMaxHead).find("\r\n\r\n");
    if (end == std::string_view::npos) {
      bad_form(rest_.size() > kMaxHead ? "a part's head has more than 8 KiB" : "a part's head does not end");
    }
    const std::string_view head = rest_.substr(2, end);
    rest_.remove_prefix(end + 2);
    std::string_view body = take_until_delimiter();
    body.remove_prefix(body.size() < 2 ? body.size() : 2);
    return Part{head, body};
  }

 private:
  static constexpr std::size_t kMaxHead = 8192;

  // Linear for every body: the delimiter contains its first byte only once, so failed attempts never overlap.
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

// Takes off a header line, together with the lines that continue it, which begin with a blank
// (RFC 5322 2.2.3).
inline std::string_view take_header(std::string_view& head) {
  std::size_t end = head.find('\n');
  while (end < head.size() - 1 && (head[end + 1] == ' ' || head[end + 1] == '\t')) {
    end = head.find('\n', end + 1);
  }
  const std::string_view header = head.substr(0, end);
  head.remove_prefix(end == std::string_view::npos ? head.size() : end + 1);
  return header;
}

// The value of a part's header, not decoded; "" if there is none.
inline std::string_view part_header(std::string_view head, std::string_view wanted) {
  while (!head.empty()) {
    std::string_view value = take_header(head);
    if (value.ends_with('\r')) value.remove_suffix(1);
    const std::string_view name = take_until(value, ':');
    if (same_name(name, wanted)) return trim(value);
  }
  return {};
}

inline std::string unfolded(std::string_view value) {
  std::string line;
  while (!value.empty()) {
    const bool continued = value.find('\n') != std::string_view::npos;
    std::string_view piece = take_until(value, '\n');
    if (continued && piece.ends_with('\r')) piece.remove_suffix(1);
    line += piece;
  }
  return line;
}

// The value of `UTF-8'en'a%20b` (RFC 8187).
inline std::string extended_value(std::string_view text) {
  const std::string_view charset = take_until(text, '\'');
  if (!same_name(charset, "UTF-8") || text.find('\'') == std::string_view::npos) {
    bad_form("a name that is neither plain nor UTF-8''... (RFC 8187)");
  }
  take_until(text, '\'');
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = percent_byte(text.substr(i));
    if (text[i] == '%' && byte < 0) bad_form("a name with a % that encodes nothing");
    value += byte >= 0 ? static_cast<char>(byte) : text[i];
    if (byte >= 0) i += 2;
  }
  return value;
}

// "name" or "filename" of a part. Browsers send the plain form. RFC 7578 forbids the extended form, `name*`,
// but other clients send it, alone or beside a plain form for servers that do not know it.
inline std::optional<std::string> part_parameter(std::string_view disposition, const std::string& name) {
  if (const auto extended = field_parameter(disposition, name + "*")) return extended_value(*extended);
  if (field_parameter(disposition, name + "*0") || field_parameter(disposition, name + "*0*")) {
    bad_form("a name in several pieces (RFC 2231)");
  }
  const auto plain = field_parameter(disposition, name);
  return plain ? std::optional(part_name_decoded(*plain)) : std::nullopt;
}

}  // namespace detail

inline void Form::add_part(std::string_view head, std::string_view body) {
  const auto header = [&](std::string_view name) {
    const std::string_view value = detail::part_header(head, name);
    return value.find('\n') == std::string_view::npos ? value
                                                      : detail::trim(text_.keep(detail::unfolded(value)));
  };
  const std::string_view disposition = header("Content-Disposition");
  if (!detail::same_name(detail::media_type(disposition), "form-data")) {
    detail::bad_form("a part without Content-Disposition: form-data");
  }
  std::optional<std::string> name = detail::part_parameter(disposition, "name");
  if (!name) detail::bad_form("a part without a name");
  const std::string_view kept_name = text_.keep(std::move(*name));
  std::optional<std::string> filename = detail::part_parameter(disposition, "filename");
  if (!filename) {
    text_.fields.push_back({kept_name, body});
    return;
  }
  // Browsers send this for a file input that was left empty.
  if (filename->empty() && body.empty()) return;
  files_.push_back({kept_name, text_.keep(std::move(*filename)), header("Content-Type"), body});
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
