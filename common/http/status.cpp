#include "common/http/status.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace baton::http {

namespace {

struct Reason {
  int status;
  std::string_view phrase;
};

// The IANA registry of status codes, in ascending order for a binary search.
constexpr auto kReasons = std::to_array<Reason>({
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {104, "Upload Resumption Supported"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {510, "Not Extended"},
    {511, "Network Authentication Required"},
});
static_assert(std::ranges::is_sorted(kReasons, {}, &Reason::status));

constexpr std::string_view find_phrase(int status) {
  const auto* const reason = std::ranges::lower_bound(kReasons, status, {}, &Reason::status);
  if (reason == kReasons.end() || reason->status != status) return "Unknown";
  return reason->phrase;
}

struct StatusLine {
  int status = 0;
  std::array<char, 64> text{};
  std::size_t length = 0;

  constexpr void append(std::string_view part) {
    for (const char byte : part) text[length++] = byte;
  }
};

constexpr StatusLine make_line(int status) {
  StatusLine line{.status = status};
  const std::array<char, 3> digits = {static_cast<char>('0' + status / 100),
                                      static_cast<char>('0' + status / 10 % 10),
                                      static_cast<char>('0' + status % 10)};
  line.append("HTTP/1.1 ");
  line.append({digits.data(), digits.size()});
  line.append(" ");
  line.append(find_phrase(status));
  line.append("\r\n");
  return line;
}

template <std::size_t Count>
constexpr std::array<StatusLine, Count> make_lines(const std::array<int, Count>& statuses) {
  std::array<StatusLine, Count> lines;
  std::ranges::transform(statuses, lines.begin(), make_line);
  return lines;
}

constexpr auto kLines = make_lines(
    std::to_array({200, 204, 206, 301, 302, 303, 304, 307, 308,  //
                   400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 504, 505}));
static_assert(std::ranges::is_sorted(kLines, {}, &StatusLine::status));

}  // namespace

std::string_view reason_phrase(int status) {
  return find_phrase(status);
}

std::string_view status_line(int status) {
  const auto* const line = std::ranges::lower_bound(kLines, status, {}, &StatusLine::status);
  if (line == kLines.end() || line->status != status) return {};
  return {line->text.data(), line->length};
}

}  // namespace baton::http
