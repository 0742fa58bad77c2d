#include "worker/http/reply.h"

#include "worker/http/chars.h"
#include "worker/http/request.h"

namespace baton::http {

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
  std::string lower(name);
  for (char& c : lower) c = to_lower(c);
  for (std::size_t line = 0; line < fields.size();) {
    const std::size_t next = fields.find("\r\n", line) + 2;
    const std::string_view own = std::string_view(fields).substr(line, fields.find(':', line) - line);
    if (iequals(own, lower)) {
      fields.erase(line, next - line);
    } else {
      line = next;
    }
  }
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
