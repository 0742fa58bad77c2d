// The access log: one line for each response, in the combined or the JSON format.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "common/base/address.h"
#include "common/config/config.h"
#include "common/shared/log_buffer.h"

namespace baton {

struct AccessRecord {
  const Peer& peer;
  std::string_view request_line;
  std::string_view referer;
  std::string_view agent;
  int status = 0;
  std::uint64_t body_bytes = 0;  // sent, without the head
  std::uint64_t duration_ns = 0;
};

// Gathers lines in the worker's LogBuffer. Writes them after a second at the latest, when the buffer is full,
// and when the worker ends. If the worker is killed, the master writes the lines that it leaves. One per
// worker, for its event thread.
class AccessLog {
 public:
  // `fd` stays open as long as this object. -1: there is no access log.
  AccessLog(LogBuffer& buffer, LogConfig::AccessFormat format, int fd, LogLosses& losses)
      : buffer_(buffer), format_(format), fd_(fd), losses_(losses) {}

  [[nodiscard]] bool enabled() const { return fd_ >= 0; }
  void add(const AccessRecord& record, std::time_t now, std::uint64_t now_ns);
  // Writes if the oldest line has waited for a second. The loop calls it in every turn. `now_ns` is of
  // monotonic_ns().
  void flush_if_due(std::uint64_t now_ns);
  void flush();

 private:
  void format_combined(const AccessRecord& record, std::time_t now);
  void format_json(const AccessRecord& record, std::time_t now);

  LogBuffer& buffer_;
  LogConfig::AccessFormat format_;
  int fd_;
  LogLosses& losses_;
  std::string line_;
  std::time_t stamp_at_ = -1;
  char stamp_[40] = {};
};

}  // namespace baton
