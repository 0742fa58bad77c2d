// Large files whose content can be checked without a copy, and clients that read them slowly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/client.h"
#include "tests/support/temp_dir.h"

namespace baton::test {

// Writes a file in which the position determines each byte; returns its absolute path.
std::string write_pattern(const TempDir& folder, const std::string& name, std::uint64_t size);
// Whether `bytes` are the content of such a file at `offset`.
bool matches_pattern(std::string_view bytes, std::uint64_t offset);

// Connects with a receive buffer so small that the server soon has to wait for this client. With a small
// `segment_bytes` (TCP_MAXSEG) the server's send buffer is small as well, and full after some hundred KB.
Client connect_narrow(std::uint16_t port, int segment_bytes = 0, const std::string& host = "127.0.0.1");

// One GET of a pattern file. The constructor reads the head, and as little as possible of the body.
class Download {
 public:
  Download(std::uint16_t port, const std::string& target, std::uint64_t size);

  // Reads `n` more bytes, or what is left. Returns false if the connection ended before.
  bool read(std::uint64_t n);
  bool read_rest() { return read(size_ - received_); }

  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] bool exact() const { return exact_; }  // every byte so far was the right one
  [[nodiscard]] bool complete() const { return exact_ && received_ == size_; }
  [[nodiscard]] const std::string& head() const { return head_; }
  // To read what comes after the body.
  [[nodiscard]] Client& client() { return client_; }

 private:
  Client client_;
  std::string head_;
  std::uint64_t size_;
  std::uint64_t received_ = 0;
  bool exact_ = true;
};

}  // namespace baton::test
