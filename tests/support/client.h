// A client that sends exactly what the test wants, byte for byte.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"
#include "tests/support/tls_client.h"

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
  // The value of a field that must be there at most once; "" if it is absent.
  [[nodiscard]] std::string field(const std::string& lower_case_name) const;
};

// Blocks. Every read has a time limit (kPatience), after which it throws and so fails the test.
class Client {
 public:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}
  static Client connect_tcp(std::uint16_t port, const std::string& host = "127.0.0.1");  // "::1" for IPv6
  static Client connect_unix(const std::string& path);
  // The same connection with TLS over it. The handshake is done when the first byte is sent or read. Bytes are those
  // of the plaintext from here on.
  [[nodiscard]] Client over_tls(const TlsClient::Options& options = {}) &&;

  [[nodiscard]] int fd() const { return socket_.get(); }
  void send(std::string_view bytes) const;
  // Sends each byte with a write of its own, and as a segment of its own.
  void send_byte_by_byte(std::string_view bytes) const;
  void shutdown_write() const;
  // Keeps the kernel from buffering tens of megabytes that the test does not read, so that the server has to
  // wait.
  void receive_little() const;
  void close() { socket_.reset(); }
  // Closes with a reset instead of a FIN.
  void reset();

  // Reads the next response. `to_head`: it answers a HEAD request, so it has no body. Skips nothing: a 100 is
  // a response. Throws std::runtime_error if the connection ends first.
  Response receive(bool to_head = false);
  // send() and receive().
  Response exchange(std::string_view request, bool to_head = false);
  // GET with Host, keep-alive.
  Response get(const std::string& target, const std::string& more_fields = "");
  // Any method with Host and, if there is a body, its Content-Length.
  Response ask(const std::string& method, const std::string& target, const std::string& more_fields = "",
               std::string_view body = "");

  // Reads exactly `n` bytes, or fewer if the connection ends.
  std::string read_bytes(std::size_t n);
  // Reads all bytes until the server closes. A reset counts as an end.
  std::string read_to_end();
  // True as soon as a byte or the end of the connection has come; false if neither has come after `time`.
  [[nodiscard]] bool readable_within(std::chrono::milliseconds time) const;
  // Waits until the server closes: true. False if a byte came instead.
  [[nodiscard]] bool closed();

  // Only over TLS: what else a test wants to know or do. To send what it makes: send("").
  [[nodiscard]] TlsClient& tls() const { return *tls_; }
  // Without TLS, whatever is above.
  void send_raw(std::string_view bytes) const;
  // Does the handshake.
  void shake_hands() const;

 private:
  bool fill();
  bool fill_raw(std::string& to) const;
  bool take_plain() const;

  UniqueFd socket_;
  mutable std::string buffer_;
  std::shared_ptr<TlsClient> tls_;
};

}  // namespace baton::test
