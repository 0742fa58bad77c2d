// A client that says exactly what the test wants, byte for byte.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"

namespace baton::test {

struct Response {
  int status = 0;
  std::string reason;
  std::string head;                                // as received, with the empty line
  std::multimap<std::string, std::string> fields;  // names in lower case
  std::string body;

  [[nodiscard]] bool has(const std::string& lower_case_name) const {
    return fields.contains(lower_case_name);
  }
  // The value of a field that must stand at most once; "" when absent.
  [[nodiscard]] std::string field(const std::string& lower_case_name) const;
};

// Blocking, with a limit (kPatience) on every read, after which the test fails by an exception.
class Client {
 public:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}
  static Client connect_tcp(std::uint16_t port, const std::string& host = "127.0.0.1");  // "::1" for IPv6
  static Client connect_unix(const std::string& path);

  [[nodiscard]] int fd() const { return socket_.get(); }
  void send(std::string_view bytes) const;
  // One write a byte, each pushed out by itself.
  void send_byte_by_byte(std::string_view bytes) const;
  void shutdown_write() const;
  // Keeps the kernel from taking in for us tens of megabytes that nobody reads: the server then has to wait.
  void receive_little() const;
  void close() { socket_.reset(); }
  // Closes with a reset instead of a FIN.
  void reset();

  // The next response. `to_head`: it answers a HEAD request, so there is no body. Skips nothing: a 100 is a
  // response. Throws std::runtime_error when the connection ends first.
  Response receive(bool to_head = false);
  // send() and receive().
  Response exchange(std::string_view request, bool to_head = false);
  // GET with Host, keep-alive.
  Response get(const std::string& target, const std::string& more_fields = "");
  // Any method with Host and, when there is a body, its Content-Length.
  Response ask(const std::string& method, const std::string& target, const std::string& more_fields = "",
               std::string_view body = "");

  // Exactly `n` bytes, or fewer when the connection ends.
  std::string read_bytes(std::size_t n);
  // All that comes until the server closes. A reset counts as an end.
  std::string read_to_end();
  // True as soon as a byte or the end of the connection has come, false when neither has after `time`.
  [[nodiscard]] bool readable_within(std::chrono::milliseconds time) const;
  // True when the server has closed (waits for it); false when a byte came instead.
  [[nodiscard]] bool closed();

 private:
  bool fill();

  UniqueFd socket_;
  std::string buffer_;
};

}  // namespace baton::test
