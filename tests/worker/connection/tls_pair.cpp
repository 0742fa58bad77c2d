#include "tests/worker/connection/tls_pair.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "common/base/tcp_counts.h"
#include "tests/support/wait.h"
#include "tests/worker/tls/fixture.h"
#include "worker/connection/tls_reader.h"

namespace baton::test {

namespace {

TlsClient::Options client_options(const TlsPair::Options& options) {
  TlsClient::Options made;
  made.min_version = made.max_version = options.version;
  (options.version == TLS1_3_VERSION ? made.suites : made.ciphers) = options.cipher;
  made.max_fragment = options.max_fragment;
  return made;
}

void set(const UniqueFd& socket, int level, int option, int value) {
  EXPECT_EQ(::setsockopt(socket.get(), level, option, &value, sizeof value), 0);
}

// Segments are small where buffers are: otherwise the kernel waits for room for a whole one.
void make_narrow(const UniqueFd& socket) {
  set(socket, SOL_SOCKET, SO_RCVBUF, 4'096);
  set(socket, SOL_SOCKET, SO_SNDBUF, 4'096);
  set(socket, IPPROTO_TCP, TCP_MAXSEG, 536);
}

void connect(UniqueFd& ours, UniqueFd& theirs, bool narrow) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  theirs = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (narrow) {
    make_narrow(listener);
    make_narrow(theirs);
  } else {
    set(listener, SOL_SOCKET, SO_RCVBUF, 1 << 20);  // all that a test pushes finds room
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), generic, &size), 0);
  EXPECT_EQ(::connect(theirs.get(), generic, size), 0);
  ours = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  ::fcntl(theirs.get(), F_SETFL, O_NONBLOCK);
  set(ours, IPPROTO_TCP, TCP_NODELAY, 1);
  set(theirs, IPPROTO_TCP, TCP_NODELAY, 1);
}

}  // namespace

TlsPair::TlsPair(const tls::Credentials& credentials, const Options& options)
    : client_(client_options(options)) {
  static const TlsTable table = TlsTable::create(1'024);
  ServerEnd server(credentials);
  converse(client_, server);
  EXPECT_EQ(server.step(), tls::Handshake::Step::kDone) << server.handshake().reason();
  EXPECT_EQ(client_.read(), "");  // takes up the tickets
  connect(ours_, theirs_, options.narrow);
  TlsState& made = state();
  made = server.state();
  made.taken = made.written = made.reading[0].at = made.writing.at = 0;
  std::memset(&made.handshake, 0, sizeof made.handshake);
}

TlsPair::~TlsPair() {
  drop_ciphertext(state());
  reset(state());
}

void TlsPair::write(std::string_view plain) {
  EXPECT_TRUE(client_.write(plain)) << client_.error();
  queue(client_.take());
}

void TlsPair::push_some(std::size_t most) {
  const ssize_t n =
      ::send(theirs_.get(), queued_.data(), std::min(most, queued_.size()), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n <= 0) return;
  queued_.erase(0, static_cast<std::size_t>(n));
  pushed_ += static_cast<std::size_t>(n);
}

void TlsPair::push(std::size_t most) {
  push_some(most);
  ASSERT_TRUE(wait_until([this] {
    int unread = 0;
    ::ioctl(fd(), FIONREAD, &unread);
    const auto counts = stream_counts(fd());
    return counts && counts->consumed + static_cast<std::uint64_t>(unread) == pushed_;
  }));
}

void TlsPair::end() const {
  ::shutdown(theirs_.get(), SHUT_WR);
}

void TlsPair::receive(std::size_t most) {
  char bytes[16 * 1024];
  while (most > 0) {
    const ssize_t n = ::recv(theirs_.get(), bytes, std::min(most, sizeof bytes), MSG_DONTWAIT);
    if (n <= 0) break;
    client_.give({bytes, static_cast<std::size_t>(n)});
    received_bytes_ += static_cast<std::size_t>(n);
    most -= static_cast<std::size_t>(n);
  }
  received_ += client_.read();
  queue(client_.take());
}

void TlsPair::await() const {
  pollfd both[] = {{theirs_.get(), POLLIN, 0}, {fd(), POLLOUT, 0}};
  ::poll(both, 2, 1'000);
}

}  // namespace baton::test
