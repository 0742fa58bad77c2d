#include "common/http/reply.h"

#include "common/http/chars.h"
#include "common/http/request.h"

namespace baton::http {

namespace {

std::size_t line_end(std::string_view fields, std::size_t line) {
  return fields.find("\r\n", line) + 2;
}

// Where the next line of this name begins, at `line` or behind it; npos when there is none.
std::size_t find_line(std::string_view fields, std::string_view lower_case_name, std::size_t line = 0) {
  while (line < fields.size()) {
    if (iequals(fields.substr(line, fields.find(':', line) - line), lower_case_name)) return line;
    line = line_end(fields, line);
  }
  return std::string_view::npos;
}

}  // namespace

void Reply::reset() {
  status = 200;
  content_type.clear();
  fields.clear();
  body = Body::kNone;
  text.clear();
  bytes = {};
  fd = -1;
  offset = length = 0;
  parts.clear();
  closing.clear();
  close = false;
}

void Reply::header(std::string_view name, std::string_view value) {
  fields.append(name).append(": ").append(value).append("\r\n");
}

void Reply::remove_header(std::string_view name) {
  const std::string lower = lower_case(name);
  for (auto line = find_line(fields, lower); line != std::string::npos; line = find_line(fields, lower, line))
    fields.erase(line, line_end(fields, line) - line);
}

bool Reply::has_header(std::string_view lower_case_name) const {
  return find_line(fields, lower_case_name) != std::string::npos;
}

void Reply::leave_out_content() {
  body = Body::kNone;
  content_type.clear();
  for (const char* name : {"content-encoding", "content-language", "content-range"}) remove_header(name);
  if (status != 304) return;
  remove_header("accept-ranges");
  if (has_header("etag")) remove_header("last-modified");
}

std::uint64_t Reply::body_bytes() const {
  switch (body) {
    case Body::kNone: return 0;
    case Body::kBytes: return bytes.size();
    case Body::kFile: return static_cast<std::uint64_t>(length);
    case Body::kMultipart: break;
  }
  std::uint64_t total = closing.size();
  for (const RangePart& part : parts) total += part.head.size() + static_cast<std::uint64_t>(part.length);
  return total;
}

}  // namespace baton::http
