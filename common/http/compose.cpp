#include "common/http/compose.h"

#include <charconv>

#include "common/http/date.h"
#include "common/http/status.h"

namespace baton::http {

namespace {

// Passes everything on and counts the bytes.
class Counted final : public Sink {
 public:
  explicit Counted(Sink& sink) : sink_(sink) {}
  void append(std::string_view bytes) override {
    total_ += bytes.size();
    sink_.append(bytes);
  }
  void append_file(int fd, off_t offset, off_t length) override { sink_.append_file(fd, offset, length); }
  [[nodiscard]] std::size_t total() const { return total_; }

 private:
  Sink& sink_;
  std::size_t total_ = 0;
};

// The Server and Date fields, formatted once a second.
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

void append_status_line(int status, Sink& sink) {
  const std::string_view known = status_line(status);
  if (!known.empty()) {
    sink.append(known);
    return;
  }
  char digits[4];
  const auto end = std::to_chars(digits, digits + sizeof digits, status).ptr;
  sink.append("HTTP/1.1 ");
  sink.append({digits, static_cast<std::size_t>(end - digits)});
  sink.append(" ");
  sink.append(reason_phrase(status));
  sink.append("\r\n");
}

void append_content_length(std::uint64_t length, Sink& sink) {
  char line[40] = "Content-Length: ";
  char* end = std::to_chars(line + 16, line + 38, length).ptr;
  *end++ = '\r';
  *end++ = '\n';
  sink.append({line, static_cast<std::size_t>(end - line)});
}

void append_body(const Reply& reply, Sink& sink) {
  switch (reply.body) {
    case Reply::Body::kNone: return;
    case Reply::Body::kBytes: sink.append(reply.bytes); return;
    case Reply::Body::kFile: sink.append_file(reply.fd, reply.offset, reply.length); return;
    case Reply::Body::kMultipart: break;
  }
  for (const RangePart& part : reply.parts) {
    sink.append(part.head);
    sink.append_file(reply.fd, part.offset, part.length);
  }
  sink.append(reply.closing);
}

}  // namespace

std::size_t compose(Reply& reply, const ComposeContext& context, std::time_t now, Sink& to) {
  Counted sink(to);
  const bool content = may_have_content(reply.status);
  if (!content) reply.leave_out_content();
  append_status_line(reply.status, sink);
  sink.append(common_lines(now));
  if (!reply.content_type.empty()) {
    sink.append("Content-Type: ");
    sink.append(reply.content_type);
    sink.append("\r\n");
  }
  // 204 and 304 end with their head whatever it says, so a length there would only mislead.
  if (reply.status == 205 || (content && !context.streamed)) {
    append_content_length(reply.body_bytes(), sink);
  } else if (content && context.minor == 1) {
    sink.append("Transfer-Encoding: chunked\r\n");
  }
  if (!context.keep_alive) {
    sink.append("Connection: close\r\n");
  } else if (context.minor == 0) {
    sink.append("Connection: keep-alive\r\n");
  }
  sink.append(reply.fields.lines());
  sink.append("\r\n");
  const std::size_t head_bytes = sink.total();
  if (!context.head_only && !context.streamed) append_body(reply, to);
  return head_bytes;
}

}  // namespace baton::http
