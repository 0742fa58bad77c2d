// Receives the bytes of a message.
#pragma once

#include <sys/types.h>

#include <string_view>

namespace baton::http {

// Takes what is appended, in order. No call fails. The bytes need not outlive the call.
class Sink {
 public:
  virtual void append(std::string_view bytes) = 0;
  // Appends a range of a file. The caller keeps the descriptor, and keeps it open until the message has
  // been sent.
  virtual void append_file(int fd, off_t offset, off_t length) = 0;

 protected:
  ~Sink() = default;
};

}  // namespace baton::http
