// What a handler decides to answer, before it becomes bytes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/fields.h"

namespace baton::http {

// One part of a multipart/byteranges body: its head (boundary and fields) and the range of the reply's file.
struct RangePart {
  std::string head;
  off_t offset = 0;
  off_t length = 0;
};

// Reused from request to request, so that its strings keep their memory. A handler does not set Date,
// Server, Connection or Content-Length: compose() writes them.
struct Reply {
  enum class Body : std::uint8_t { kNone, kBytes, kFile, kMultipart };

  int status = 200;
  std::string content_type;  // empty: no such field
  Fields fields;             // further ones
  Body body = Body::kNone;
  std::string text;        // storage for bodies made here
  std::string_view bytes;  // kBytes: part of `text`, of a configuration string or of a pinned file block
  int fd = -1;             // kFile, kMultipart: borrowed, open until the reply has been sent or parked
  off_t offset = 0;
  off_t length = 0;  // kFile
  std::vector<RangePart> parts;
  std::string closing;  // kMultipart: the last boundary
  bool close = false;   // do not use the connection again: what follows on it cannot be trusted

  void reset();
  void header(std::string_view name, std::string_view value) { fields.add(name, value); }
  // For a status that has no content: drops the body, and the fields that would describe it. Otherwise a
  // client that is told of a coding would decode the empty body. For a 304 only the fields remain that a
  // cache has to renew (RFC 9110 15.4.5).
  void leave_out_content();
  void use_text() {
    body = Body::kBytes;
    bytes = text;
  }
  [[nodiscard]] std::uint64_t body_bytes() const;
};

}  // namespace baton::http
