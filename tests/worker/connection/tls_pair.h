// A TLS connection over loopback whose handshake is over: OpenSSL's client at one end, a TlsState at the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"
#include "common/shared/connection_table.h"
#include "common/shared/tls_table.h"
#include "tests/support/tls_client.h"
#include "worker/tls/credentials.h"

namespace baton::test {

class TlsPair {
 public:
  struct Options {
    int version = TLS1_3_VERSION;
    std::string cipher;    // empty: OpenSSL's choice
    int max_fragment = 0;  // TLSEXT_max_fragment_length_512 and so on
    bool narrow = false;   // sockets that take a few kilobytes
  };

  TlsPair(const tls::Credentials& credentials, const Options& options);
  TlsPair(const TlsPair&) = delete;
  TlsPair& operator=(const TlsPair&) = delete;
  ~TlsPair();

  // The server's end. The counts begin at 0: the handshake went another way.
  [[nodiscard]] int fd() const { return ours_.get(); }
  [[nodiscard]] TlsState& state() const { return TlsTable::at(fd()); }

  // -- the client's end
  [[nodiscard]] TlsClient& client() { return client_; }
  // The client has these bytes to send. They go on their way with push().
  void queue(std::string_view bytes) { queued_ += bytes; }
  void write(std::string_view plain);
  // Sends as far as the socket takes them, at most `most`, and waits until they have arrived.
  void push(std::size_t most = ~std::size_t{0});
  // The same, without waiting: they may still be on their way.
  void push_some(std::size_t most);
  [[nodiscard]] std::size_t queued() const { return queued_.size(); }
  void end() const;  // shuts down the client's side
  // Takes at most `most` bytes from the socket.
  void receive(std::size_t most = ~std::size_t{0});
  // The plaintext of all that was received.
  [[nodiscard]] const std::string& received() const { return received_; }
  // How many bytes of ciphertext that was.
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }
  // Waits until there is something to receive, or our end takes bytes.
  void await() const;

 private:
  TlsClient client_;
  UniqueFd ours_, theirs_;
  std::string queued_, received_;
  std::uint64_t pushed_ = 0;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace baton::test
