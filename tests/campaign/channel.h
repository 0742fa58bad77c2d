// The bytes of one client of the campaign, with TLS or without, on a socket that does not block.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"
#include "tests/support/tls_client.h"

namespace baton::survive {

class Channel {
 public:
  Channel() = default;
  // `tls`: the handshake is done as send() and receive() are called.
  Channel(UniqueFd socket, bool tls);

  [[nodiscard]] int fd() const { return socket_.get(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }
  void close() { *this = Channel(); }

  // As send(2) and recv(2), with errno. EPROTO: the peer's records are not what they have to be.
  ssize_t send(std::string_view bytes);
  ssize_t receive(char* to, std::size_t most);
  // Whether send() waits for the handshake, or for records to go out that it has taken.
  [[nodiscard]] bool held_up() const { return tls_ && (!tls_->open || !tls_->out.empty()); }

 private:
  struct Tls {
    test::TlsClient client{test::TlsClient::Options{}};
    std::string out;    // records that are not sent yet
    std::string plain;  // that was not received yet
    bool open = false;
    bool ended = false;  // by the server's close_notify
  };

  bool flush();
  ssize_t take_raw(std::size_t most);

  UniqueFd socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace baton::survive
