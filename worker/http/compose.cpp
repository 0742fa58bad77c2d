#include "worker/http/compose.h"

#include <charconv>

#include "worker/http/date.h"
#include "worker/http/status.h"

namespace baton::http {

namespace {

// Server and Date, formatted once a second.
std::string_view common_lines(std::time_t now) {
  static constexpr std::string_view kPrefix = "Server: baton\r\nDate: ";
  static std::time_t formatted = -1;
  static char lines[kPrefix.size() + kDateLength + 2];
  if (now != formatted) {
    kPrefix.copy(lines, kPrefix.size());
    format_date(now, std::span<char, kDateLength>(lines + kPrefix.size(), kDateLength));
    lines[sizeof lines - 2] = '\r';
    lines[sizeof lines - 1] = '\n';
    formatted = now;
  }
  return {lines, sizeof lines};
}

void append_status_line(int status, Outbox& outbox) {
  const std::string_view known = status_line(status);
  if (!known.empty()) {
    outbox.append(known);
    return;
  }
  char digits[4];
  const auto end = std::to_chars(digits, digits + sizeof digits, status).ptr;
  outbox.append("HTTP/1.1 ");
  outbox.append({digits, static_cast<std::size_t>(end - digits)});
  outbox.append(" ");
  outbox.append(reason_phrase(status));
  outbox.append("\r\n");
}

void append_content_length(std::uint64_t length, Outbox& outbox) {
  char line[40] = "Content-Length: ";
  char* end = std::to_chars(line + 16, line + 38, length).ptr;
  *end++ = '\r';
  *end++ = '\n';
  outbox.append({line, static_cast<std::size_t>(end - line)});
}

void append_body(const Reply& reply, Outbox& outbox) {
  switch (reply.body) {
    case Reply::Body::kNone: return;
    case Reply::Body::kBytes: outbox.append(reply.bytes); return;
    case Reply::Body::kFile: outbox.append_file(reply.fd, reply.offset, reply.length); return;
    case Reply::Body::kMultipart: break;
  }
  for (const RangePart& part : reply.parts) {
    outbox.append(part.head);
    outbox.append_file(reply.fd, part.offset, part.length);
  }
  outbox.append(reply.closing);
}

}  // namespace

std::size_t compose(Reply& reply, const ComposeContext& context, std::time_t now, Outbox& outbox) {
  const std::uint64_t before = outbox.total();
  const bool content = may_have_content(reply.status);
  if (!content) reply.leave_out_content();
  append_status_line(reply.status, outbox);
  outbox.append(common_lines(now));
  if (!reply.content_type.empty()) {
    outbox.append("Content-Type: ");
    outbox.append(reply.content_type);
    outbox.append("\r\n");
  }
  // 204 and 304 end with their head whatever they say; a length there would only mislead.
  if (reply.status == 205 || (content && !context.streamed)) {
    append_content_length(reply.body_bytes(), outbox);
  } else if (content && context.minor == 1) {
    outbox.append("Transfer-Encoding: chunked\r\n");
  }
  if (!context.keep_alive) {
    outbox.append("Connection: close\r\n");
  } else if (context.minor == 0) {
    outbox.append("Connection: keep-alive\r\n");
  }
  outbox.append(reply.fields);
  outbox.append("\r\n");
  const auto head_bytes = static_cast<std::size_t>(outbox.total() - before);
  if (!context.head_only && !context.streamed) append_body(reply, outbox);
  return head_bytes;
}

}  // namespace baton::http
