#include "tests/support/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "tests/support/wait.h"

namespace baton::test {

namespace {

Client connected(UniqueFd socket, const sockaddr* address, socklen_t size) {
  const timeval patience{std::chrono::seconds(kPatience).count(), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), address, size) != 0) {
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  return Client(std::move(socket));
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string Response::field(const std::string& lower_case_name) const {
  if (fields.count(lower_case_name) > 1)
    throw std::runtime_error("the field " + lower_case_name + " stands twice");
  const auto found = fields.find(lower_case_name);
  return found == fields.end() ? "" : found->second;
}

Client Client::connect_tcp(std::uint16_t port, const std::string& host) {
  if (host.find(':') != std::string::npos) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    ::inet_pton(AF_INET6, host.c_str(), &address.sin6_addr);
    return connected(UniqueFd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                     reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return connected(UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                   reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Client Client::connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return connected(UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
                   reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Client Client::over_tls(const TlsClient::Options& options) && {
  Client client(std::move(socket_));
  client.tls_ = std::make_shared<TlsClient>(options);
  return client;
}

void Client::shake_hands() const {
  while (tls_->state() == TlsClient::State::kHandshaking) {
    tls_->advance();
    send_raw(tls_->take());
    if (tls_->state() == TlsClient::State::kHandshaking) {
      std::string bytes;
      if (!fill_raw(bytes)) throw std::runtime_error("the connection ended inside the handshake");
      tls_->give(bytes);
    }
  }
  if (tls_->state() == TlsClient::State::kFailed) throw std::runtime_error("handshake: " + tls_->error());
}

void Client::send(std::string_view bytes) const {
  if (!tls_) return send_raw(bytes);
  shake_hands();
  if (!bytes.empty() && !tls_->write(bytes)) throw std::runtime_error("send: " + tls_->error());
  send_raw(tls_->take());
}

void Client::send_raw(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return;  // refused early: the answer is what counts
    if (n < 0) throw std::runtime_error(std::string("send: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Client::send_byte_by_byte(std::string_view bytes) const {
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const char c : bytes) send({&c, 1});
}

void Client::shutdown_write() const {
  ::shutdown(socket_.get(), SHUT_WR);
}

void Client::receive_little() const {
  const int bytes = 64 * 1024;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void Client::reset() {
  const linger now{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  socket_.reset();
}

bool Client::fill() {
  if (!tls_) return fill_raw(buffer_);
  shake_hands();
  while (!take_plain()) {
    std::string bytes;
    if (!fill_raw(bytes)) return false;
    tls_->give(bytes);
  }
  return true;
}

// Moves what has been decrypted to the buffer. False: there was nothing.
bool Client::take_plain() const {
  const std::string plain = tls_->read();
  send_raw(tls_->take());  // answers to key updates
  const bool ended = (::SSL_get_shutdown(tls_->ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
  if (!ended && !tls_->error().empty()) throw std::runtime_error("TLS: " + tls_->error());
  buffer_ += plain;
  return !plain.empty();
}

bool Client::fill_raw(std::string& to) const {
  char chunk[64 * 1024];
  const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, 0);
  if (n < 0 && errno == ECONNRESET) return false;
  if (n < 0) throw std::runtime_error(std::string("nothing came from the server: ") + std::strerror(errno));
  to.append(chunk, static_cast<std::size_t>(n));
  return n > 0;
}

Response Client::receive(bool to_head) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) throw std::runtime_error("the connection ended inside a response head: '" + buffer_ + "'");
  }
  Response response;
  response.head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  if (!response.head.starts_with("HTTP/1.1 ")) throw std::runtime_error("not a response: " + response.head);
  response.status = std::atoi(response.head.c_str() + 9);
  std::size_t line = response.head.find("\r\n");
  response.reason = response.head.substr(13, line - 13);
  for (line += 2; line + 2 < response.head.size();) {
    const std::size_t stop = response.head.find("\r\n", line);
    const std::string text = response.head.substr(line, stop - line);
    const std::size_t colon = text.find(": ");
    if (colon == std::string::npos) throw std::runtime_error("not a field line: " + text);
    response.fields.emplace(lower(text.substr(0, colon)), text.substr(colon + 2));
    line = stop + 2;
  }
  const bool bodiless = to_head || response.status < 200 || response.status == 204 || response.status == 304;
  if (bodiless) return response;
  if (!response.has("content-length")) {
    response.body = read_to_end();
    return response;
  }
  const auto length = std::stoull(response.field("content-length"));
  response.body = read_bytes(length);
  if (response.body.size() != length) throw std::runtime_error("the connection ended inside a response body");
  return response;
}

Response Client::exchange(std::string_view request, bool to_head) {
  send(request);
  return receive(to_head);
}

Response Client::get(const std::string& target, const std::string& more_fields) {
  return exchange("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more_fields + "\r\n");
}

Response Client::ask(const std::string& method, const std::string& target, const std::string& more_fields,
                     std::string_view body) {
  std::string request = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more_fields;
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return exchange(request.append("\r\n").append(body), method == "HEAD");
}

std::string Client::read_bytes(std::size_t n) {
  while (buffer_.size() < n && fill()) {
  }
  std::string bytes = buffer_.substr(0, n);
  buffer_.erase(0, bytes.size());
  return bytes;
}

std::string Client::read_to_end() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool Client::readable_within(std::chrono::milliseconds time) const {
  if (!buffer_.empty()) return true;
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    if (tls_ && take_plain()) return true;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, std::max(0, static_cast<int>(left.count()))) <= 0) return false;
    if (!tls_) return true;
    // Tickets and key updates are nothing that was sent to the client's user.
    std::string bytes;
    if (!fill_raw(bytes)) return true;
    tls_->give(bytes);
  }
}

bool Client::closed() {
  return buffer_.empty() && !fill();
}

}  // namespace baton::test
