#include "worker/process/access_log.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace baton {

namespace {

constexpr std::uint64_t kFlushNs = 1'000'000'000;
constexpr std::size_t kMaxFieldBytes = 4'096;  // of each part that a client wrote: a line must fit the buffer

// Writes quotes, backslashes and every byte that could forge a line or drive a terminal as \xHH.
void append_escaped(std::string& line, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text.substr(0, kMaxFieldBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      line += c;
    } else {
      line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
}

void append_number(std::string& line, std::uint64_t number) {
  char digits[20];
  line.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

}  // namespace

void AccessLog::add(const AccessRecord& record, std::time_t now, std::uint64_t now_ns) {
  line_.clear();
  if (format_ == LogConfig::AccessFormat::kJson) {
    format_json(record, now);
  } else {
    format_combined(record, now);
  }
  if (buffer_.append(line_, now_ns)) return;
  flush();
  buffer_.append(line_, now_ns);
}

void AccessLog::format_combined(const AccessRecord& record, std::time_t now) {
  if (now != stamp_at_) {
    std::tm local{};
    ::localtime_r(&now, &local);
    std::strftime(stamp_, sizeof stamp_, "[%d/%b/%Y:%H:%M:%S %z]", &local);
    stamp_at_ = now;
  }
  char ip[48];
  line_.append(record.peer.format_ip(ip)).append(" - - ").append(stamp_).append(" \"");
  append_escaped(line_, record.request_line);
  line_ += "\" ";
  append_number(line_, static_cast<std::uint64_t>(record.status));
  line_ += ' ';
  append_number(line_, record.body_bytes);
  line_ += " \"";
  append_escaped(line_, record.referer.empty() ? "-" : record.referer);
  line_ += "\" \"";
  append_escaped(line_, record.agent.empty() ? "-" : record.agent);
  line_ += "\"\n";
}

void AccessLog::format_json(const AccessRecord& record, std::time_t now) {
  if (now != stamp_at_) {
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    std::strftime(stamp_, sizeof stamp_, "%Y-%m-%dT%H:%M:%SZ", &utc);
    stamp_at_ = now;
  }
  char ip[48];
  const nlohmann::ordered_json object{{"time", stamp_},
                                      {"remote", record.peer.format_ip(ip)},
                                      {"request", record.request_line.substr(0, kMaxFieldBytes)},
                                      {"status", record.status},
                                      {"bytes", record.body_bytes},
                                      {"duration_us", record.duration_ns / 1000},
                                      {"referer", record.referer.substr(0, kMaxFieldBytes)},
                                      {"user_agent", record.agent.substr(0, kMaxFieldBytes)}};
  line_ = object.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  line_ += '\n';
}

void AccessLog::flush_if_due(std::uint64_t now_ns) {
  if (buffer_.length.load(std::memory_order_relaxed) == 0) return;
  if (now_ns - buffer_.oldest_ns.load(std::memory_order_relaxed) >= kFlushNs) flush();
}

void AccessLog::flush() {
  if (enabled()) buffer_.flush(fd_, losses_);
}

}  // namespace baton
