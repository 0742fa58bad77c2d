#include "common/http/reply.h"

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

void Reply::leave_out_content() {
  body = Body::kNone;
  content_type.clear();
  for (const char* name : {"content-encoding", "content-language", "content-range"}) fields.remove(name);
  if (status != 304) return;
  fields.remove("accept-ranges");
  if (fields.has("etag")) fields.remove("last-modified");
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
