#include "master/listeners.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "common/base/address_overlap.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/own_file.h"
#include "master/address_holder.h"
#include "master/port_sharing.h"

namespace baton {

namespace {

// Longer than connecting takes from nearly anywhere.
constexpr std::uint64_t kLastSecondNs = 1'000'000'000;

void set_option(int fd, int level, int name) {
  const int on = 1;
  ::setsockopt(fd, level, name, &on, sizeof on);
}

bool is_stream_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// Removes a socket file on which no process listens: it is a leftover of a dead server, or of the listener
// that we have just closed. A socket that answers belongs to another process, which may have put it in the
// place of ours.
void remove_stale_socket(const Address& address) {
  struct stat status {};
  const std::string path = address.unix_path();
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode) || is_anothers(path)) return;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED)
    ::unlink(path.c_str());
}

// Binds a Unix socket so that every user may connect, as to a TCP port: `allow` and `deny` of the routes
// decide, not the umask. The name has its mode from the first instant, because a later change by name might
// hit another file.
int bind_for_all(int fd, const Address& address) {
  if (!address.is_unix()) return ::bind(fd, address.data(), address.size());
  ::fchmod(fd, 0666);
  const mode_t before = ::umask(0);
  const int result = ::bind(fd, address.data(), address.size());
  ::umask(before);
  return result;
}

std::string remedy(int error, const Address& address, const std::vector<int>& own) {
  switch (error) {
    case EADDRINUSE: return "; " + holder_of(address, own);
    case EACCES:
      return "; ports below 1024 need root or CAP_NET_BIND_SERVICE, a Unix socket a writable folder";
    case EADDRNOTAVAIL: return "; no interface of this machine has that address";
    default: return "";
  }
}

UniqueFd make_socket(const Address& address) {
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket || address.is_unix()) return socket;
  set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  // Accepted sockets inherit this option. Whole responses are sent with MSG_MORE.
  set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY);
  if (address.family() == AF_INET6) set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  return socket;
}

bool accepts(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

void close_listener(Listener& listener) {
  listener.fd.reset();
  if (listener.config.address.is_unix()) remove_stale_socket(listener.config.address);
}

SlotRole role_of(const ListenConfig& config) {
  return config.tls ? SlotRole::kTlsListener : SlotRole::kListener;
}

template <typename Range>
auto find(Range& range, const ListenConfig& wanted) {
  return std::find_if(range.begin(), range.end(),
                      [&](const Listener& listener) { return listener.is(wanted); });
}

}  // namespace

bool Listener::is(const ListenConfig& wanted) const {
  return same_address(wanted.address, config.address) || same_address(wanted.address, bound);
}

void Listeners::adopt(const std::vector<UpgradeState::Listener>& listeners) {
  using Stage = UpgradeState::Listener::Stage;
  for (const UpgradeState::Listener& state : listeners) {
    // A worker that has gone wrong may have given the number to something else: then prepare() binds the
    // address anew.
    if (!segment_.connections().contains(state.fd) || !is_stream_socket(state.fd)) {
      log::error("the listener {} was lost in the upgrade", state.text);
      continue;
    }
    Listener listener;
    listener.config.text = state.text;
    listener.config.address = Address::parse(state.address).value_or(Address());
    listener.config.backlog = state.backlog;
    listener.config.tls = state.tls;
    listener.fd = UniqueFd(state.fd);
    listener.bound = Address::of_socket(state.fd);
    listener.listens = accepts(state.fd);
    // A Unix socket says that it listens even after it was shut down.
    listener.watched = state.stage == Stage::kActive ||
                       (state.stage == Stage::kRemoved && listener.listens && !listener.bound.is_unix());
    auto& list = state.stage == Stage::kActive     ? active_
                 : state.stage == Stage::kPrepared ? prepared_
                                                   : removed_;
    list.push_back(std::move(listener));
  }
}

std::vector<UpgradeState::Listener> Listeners::state() const {
  using Stage = UpgradeState::Listener::Stage;
  std::vector<UpgradeState::Listener> state;
  const auto add = [&state](const std::vector<Listener>& listeners, Stage stage) {
    for (const Listener& listener : listeners) {
      state.push_back({listener.config.text, listener.config.address.to_string(), listener.config.backlog,
                       listener.fd.get(), stage, listener.config.tls});
    }
  };
  add(active_, Stage::kActive);
  add(prepared_, Stage::kPrepared);
  add(removed_, Stage::kRemoved);
  return state;
}

void Listeners::prepare(const std::string& file, const std::vector<ListenConfig>& wanted) {
  if (wanted.size() > kMaxListeners) {
    throw std::runtime_error(file + ": at most " + std::to_string(kMaxListeners) +
                             " [[listen]] tables are supported");
  }
  wanted_ = wanted;
  try {
    for (const ListenConfig& config : wanted) {
      if (find(active_, config) != active_.end()) continue;
      if (find(prepared_, config) != prepared_.end()) continue;  // the program before this one bound it
      const auto removed = find(removed_, config);
      if (removed == removed_.end() || !removed->watched) {
        prepared_.push_back(bind_one(file, config));
        continue;
      }
      prepared_.push_back(std::move(*removed));
      removed_.erase(removed);
    }
  } catch (const std::runtime_error&) {
    abandon();
    throw;
  }
}

Listener Listeners::bind_one(const std::string& file, const ListenConfig& config) {
  const Address& address = config.address;
  const std::vector<int> own = on_port(port_of(address));
  const auto fail = [&](const char* call, int error) {
    throw std::runtime_error(file + ":" + std::to_string(config.line) + ":" + std::to_string(config.column) +
                             ": cannot listen on " + config.text + ": " + call + ": " + std::strerror(error) +
                             remedy(error, address, own));
  };
  Listener listener;
  listener.config = config;
  listener.fd = make_socket(address);
  const int fd = listener.fd.get();
  if (fd < 0) fail("socket", errno);
  if (address.is_unix()) remove_stale_socket(address);
  const auto bind = [&] { return bind_for_all(fd, address) == 0 ? 0 : errno; };
  int error = bind();
  if (error == EADDRINUSE && !own.empty()) {
    std::vector<int> all = own;
    all.push_back(fd);
    const PortSharing sharing(std::move(all));
    error = bind();
    listener.listens = false;
  }
  if (error != 0) fail("bind", error);
  if (listener.listens && ::listen(fd, config.backlog) != 0) fail("listen", errno);
  listener.bound = Address::of_socket(fd);
  return listener;
}

// Our TCP sockets with this port.
std::vector<int> Listeners::on_port(std::uint16_t port) const {
  std::vector<int> found;
  if (port == 0) return found;
  for (const auto* listeners : {&active_, &prepared_, &removed_}) {
    for (const Listener& listener : *listeners)
      if (port_of(listener.bound) == port) found.push_back(listener.fd.get());
  }
  return found;
}

int Listeners::begin_listening(Listener& listener) const {
  const PortSharing sharing(on_port(port_of(listener.bound)));
  const int error = ::listen(listener.fd.get(), listener.config.backlog) == 0 ? 0 : errno;
  listener.listens = error == 0;
  return error;
}

void Listeners::abandon() {
  for (Listener& listener : prepared_) {
    if (listener.watched) {
      removed_.push_back(std::move(listener));  // goes on to its end
    } else {
      close_listener(listener);
    }
  }
  prepared_.clear();
}

void Listeners::mark() {
  const ConnectionTable table = segment_.connections();
  for (const Listener& listener : active_) {
    const int fd = listener.fd.get();
    if (!listener.watched || table.claim(fd).state == SlotState::kListener) continue;
    table.open_listener(fd, role_of(listener.config));
    epoll_.remove(fd);
    segment_.header().listener_changes.fetch_add(1, std::memory_order_release);
    if (epoll_.add(fd) != 0) table.free_listener(fd);  // once more at the next tick
  }
}

void Listeners::commit() {
  std::string trouble;
  std::erase_if(prepared_, [&](Listener& listener) {
    if (const int error = listener.listens ? 0 : begin_listening(listener); error != 0) {
      trouble = "cannot listen on " + listener.config.text + ": " + std::strerror(error);
      return true;
    }
    if (listener.watched) admit_newcomers(listener.fd.get());
    return false;
  });
  std::size_t room = kMaxListeners - wanted_.size();
  const auto gone = std::stable_partition(active_.begin(), active_.end(),
                                          [&](const Listener& listener) { return stays(listener, room); });
  std::for_each(gone, active_.end(), [this](Listener& listener) { end(std::move(listener)); });
  active_.erase(gone, active_.end());
  for (Listener& listener : prepared_) active_.push_back(std::move(listener));
  prepared_.clear();
  for (const ListenConfig& config : wanted_) {  // a changed backlog takes effect on the same socket
    const auto same = find(active_, config);
    if (same == active_.end()) continue;
    if (same->config.backlog != config.backlog) ::listen(same->fd.get(), config.backlog);
    if (same->watched && same->config.tls != config.tls) {  // other processes are to accept from it
      epoll_.remove(same->fd.get());
      same->watched = false;
    }
    same->config = config;
  }
  for (const Listener& listener : active_) {
    if (!listener.watched) segment_.connections().open_listener(listener.fd.get(), role_of(listener.config));
  }
  publish();
  for (Listener& listener : active_) {
    if (listener.watched) continue;
    listener.watched = epoll_.add(listener.fd.get()) == 0;
    if (!listener.watched) trouble = "cannot watch " + listener.config.text;
  }
  if (!trouble.empty()) throw std::runtime_error(trouble);
}

// `room`: how many listeners may stay although no entry asks for them themselves.
bool Listeners::stays(const Listener& listener, std::size_t& room) const {
  const auto any = [this](auto matches) { return std::any_of(wanted_.begin(), wanted_.end(), matches); };
  if (any([&](const ListenConfig& wanted) { return listener.is(wanted); })) return true;
  if (room == 0 || !any([&](const ListenConfig& wanted) { return covers(wanted.address, listener.bound); }))
    return false;
  --room;
  return true;
}

// A Unix socket ends at once, because its path may be bound anew.
void Listeners::end(Listener&& listener) {
  if (listener.bound.is_unix()) {
    unwatch(listener);
  } else {
    refuse_newcomers(listener.fd.get());
    listener.end_ns = monotonic_ns() + kLastSecondNs;
  }
  removed_.push_back(std::move(listener));
}

void Listeners::close_due(std::uint64_t now_ns, bool others_serve) {
  std::erase_if(removed_, [&](Listener& listener) {
    if (now_ns < listener.end_ns) return false;
    if (listener.watched) {
      unwatch(listener);
      listener.end_ns = now_ns + kLastSecondNs;  // a worker may be accepting from it
      return false;
    }
    if (others_serve) return false;
    close_listener(listener);
    return true;
  });
}

void Listeners::close_all() {
  for (Listener& listener : active_) removed_.push_back(std::move(listener));
  active_.clear();
  for (Listener& listener : removed_) unwatch(listener);
  publish();
}

void Listeners::close_removed() {
  for (Listener& listener : removed_) close_listener(listener);
  removed_.clear();
}

bool Listeners::owns(int fd) const {
  const auto in = [fd](const std::vector<Listener>& listeners) {
    return std::any_of(listeners.begin(), listeners.end(),
                       [fd](const Listener& listener) { return listener.fd.get() == fd; });
  };
  return in(active_) || in(prepared_) || in(removed_);
}

void Listeners::unwatch(Listener& listener) const {
  epoll_.remove(listener.fd.get());
  // An orphan of an upgrade has a descriptor of its own, which would keep the socket listening.
  ::shutdown(listener.fd.get(), SHUT_RDWR);
  segment_.connections().free_listener(listener.fd.get());
  listener.watched = false;
}

void Listeners::publish() const {
  SegmentHeader& header = segment_.header();
  header.listener_count.store(0, std::memory_order_release);
  for (std::size_t i = 0; i < active_.size(); ++i) {
    header.listener_fds[i].store(active_[i].fd.get(), std::memory_order_relaxed);
    header.listener_reserves[i].store(active_[i].config.reserve, std::memory_order_relaxed);
    header.listener_redirects[i].store(active_[i].config.redirect_to_https ? 1 : 0,
                                       std::memory_order_relaxed);
    const std::string text = active_[i].bound.to_string();
    std::strncpy(header.listeners[i], text.c_str(), sizeof header.listeners[i] - 1);
    header.listeners[i][sizeof header.listeners[i] - 1] = '\0';
  }
  header.listener_count.store(static_cast<std::uint32_t>(active_.size()), std::memory_order_release);
  header.listener_changes.fetch_add(1, std::memory_order_release);
}

}  // namespace baton
