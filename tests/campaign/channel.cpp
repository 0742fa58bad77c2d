#include "tests/campaign/channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace baton::survive {

Channel::Channel(UniqueFd socket, bool tls) : socket_(std::move(socket)) {
  if (tls) tls_ = std::make_unique<Tls>();
}

// False, with errno: not everything has gone out.
bool Channel::flush() {
  if (!tls_->open) {
    if (tls_->client.advance() == test::TlsClient::State::kFailed) {
      errno = EPROTO;
      return false;
    }
    tls_->open = tls_->client.state() == test::TlsClient::State::kOpen;
  }
  tls_->out += tls_->client.take();
  while (!tls_->out.empty()) {
    const ssize_t n = ::send(socket_.get(), tls_->out.data(), tls_->out.size(), MSG_NOSIGNAL);
    if (n < 0) return false;
    tls_->out.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

ssize_t Channel::send(std::string_view bytes) {
  if (!tls_) return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (!flush()) return -1;
  errno = tls_->open ? EPROTO : EAGAIN;
  if (!tls_->open || !tls_->client.write(bytes)) return -1;
  const bool out = flush();
  return out || errno == EAGAIN ? static_cast<ssize_t>(bytes.size()) : -1;
}

// One system call; its bytes become plaintext where they complete a record.
ssize_t Channel::take_raw(std::size_t most) {
  std::string bytes(most, '\0');
  const ssize_t n = ::recv(socket_.get(), bytes.data(), most, 0);
  if (n <= 0) return n;
  tls_->client.give({bytes.data(), static_cast<std::size_t>(n)});
  if (!flush() && errno != EAGAIN) return -1;
  if (!tls_->open) return n;
  tls_->plain += tls_->client.read();
  tls_->ended = (::SSL_get_shutdown(tls_->client.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
  errno = EPROTO;
  return tls_->ended || tls_->client.error().empty() ? n : -1;
}

ssize_t Channel::receive(char* to, std::size_t most) {
  if (!tls_) return ::recv(socket_.get(), to, most, 0);
  if (!flush() && errno != EAGAIN && errno != ENOTCONN) return -1;
  while (tls_->plain.empty()) {
    if (tls_->ended) return 0;
    const ssize_t n = take_raw(most);
    if (n <= 0) return n;
  }
  const std::size_t n = tls_->plain.copy(to, most);
  tls_->plain.erase(0, n);
  return static_cast<ssize_t>(n);
}

}  // namespace baton::survive
