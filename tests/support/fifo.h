// A named pipe whose reader is the test.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>

#include "common/base/unique_fd.h"

namespace baton::test {

class Fifo {
 public:
  // Makes the pipe. From now on it has a reader, but one that reads only in take().
  explicit Fifo(const std::string& path) {
    if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("cannot make the FIFO " + path);
    fd_ = UniqueFd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  }

  // Fills the pipe until not one more byte goes in.
  void fill() const {
    for (const std::size_t size : {std::size_t{4096}, std::size_t{1}}) {
      const std::string bytes(size, '#');
      while (::write(fd_.get(), bytes.data(), size) > 0) continue;
    }
  }
  // Reads what is in the pipe, without the bytes of fill().
  [[nodiscard]] std::string take() const {
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(fd_.get(), buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(n));
    std::erase(text, '#');
    return text;
  }
  // From now on the pipe has no reader.
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

}  // namespace baton::test
