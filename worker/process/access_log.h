// The access log: one line a response, in the combined or the JSON format.
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

// Lines are gathered in the worker's LogBuffer and written at the latest a second later, when it is full, and
// when the worker ends; what a killed worker leaves there its master writes.
class AccessLog {
 public:
  // `fd`: -1: off.
  AccessLog(LogBuffer& buffer, LogConfig::AccessFormat format, int fd, LogLosses& losses)
      : buffer_(buffer), format_(format), fd_(fd), losses_(losses) {}

  [[nodiscard]] bool enabled() const { return fd_ >= 0; }
  void add(const AccessRecord& record, std::time_t now, std::uint64_t now_ns);
  // Writes if the oldest line has waited a second. Called at every turn of the loop.
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
