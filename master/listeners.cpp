#include "master/listeners.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace baton {

namespace {

void set_option(int fd, int level, int name) {
  const int on = 1;
  ::setsockopt(fd, level, name, &on, sizeof on);
}

// A socket file that nobody listens to is a leftover, of a dead server or of the listener that we have just
// closed. One that answers belongs to somebody, who may have put it in the place of ours.
void remove_stale_socket(const Address& address) {
  struct stat status {};
  const std::string path = address.unix_path();
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED)
    ::unlink(path.c_str());
}

std::string remedy(int error) {
  switch (error) {
    case EADDRINUSE: return "; another program listens there: stop it or choose another address";
    case EACCES:
      return "; ports below 1024 need root or CAP_NET_BIND_SERVICE, a Unix socket a writable folder";
    case EADDRNOTAVAIL: return "; no interface of this machine has that address";
    default: return "";
  }
}

Listener bind_one(const std::string& file, const ListenConfig& config) {
  const Address& address = config.address;
  Listener listener{
      config, UniqueFd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), {}};
  const int fd = listener.fd.get();
  const auto fail = [&](const char* call) {
    const int error = errno;
    throw std::runtime_error(file + ":" + std::to_string(config.line) + ":" + std::to_string(config.column) +
                             ": cannot listen on " + config.text + ": " + call + ": " + std::strerror(error) +
                             remedy(error));
  };
  if (fd < 0) fail("socket");
  if (address.is_unix()) {
    remove_stale_socket(address);
  } else {
    set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    set_option(fd, IPPROTO_TCP,
               TCP_NODELAY);  // accepted sockets inherit it; whole responses are sent with MSG_MORE
    if (address.family() == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  }
  if (::bind(fd, address.data(), address.size()) != 0) fail("bind");
  if (::listen(fd, config.backlog) != 0) fail("listen");
  // Like a TCP port: who may connect is for the routes' allow and deny, not for the umask.
  if (address.is_unix()) ::chmod(address.unix_path().c_str(), 0666);
  listener.bound = Address::of_socket(fd);
  return listener;
}

void close_listener(Listener& listener) {
  listener.fd.reset();
  if (listener.config.address.is_unix()) remove_stale_socket(listener.config.address);
}

template <typename Range>
auto find_text(Range& range, const std::string& text) {
  return std::find_if(range.begin(), range.end(), [&](const Listener& l) { return l.config.text == text; });
}

}  // namespace

void Listeners::adopt(const std::vector<UpgradeState::Listener>& listeners) {
  using Stage = UpgradeState::Listener::Stage;
  for (const UpgradeState::Listener& state : listeners) {
    Listener listener;
    listener.config.text = state.text;
    listener.config.address = Address::parse(state.address).value_or(Address());
    listener.config.backlog = state.backlog;
    listener.fd = UniqueFd(state.fd);
    listener.bound = Address::of_socket(state.fd);
    listener.watched = state.stage == Stage::kActive;
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
                       listener.fd.get(), stage});
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
      if (find_text(active_, config.text) != active_.end()) continue;
      if (find_text(prepared_, config.text) != prepared_.end()) continue;  // by the program before this one
      prepared_.push_back(bind_one(file, config));
    }
  } catch (const std::runtime_error&) {
    abandon();
    throw;
  }
}

void Listeners::abandon() {
  for (Listener& listener : prepared_) close_listener(listener);
  prepared_.clear();
}

void Listeners::commit() {
  for (auto it = active_.begin(); it != active_.end();) {
    const bool kept = std::any_of(wanted_.begin(), wanted_.end(),
                                  [&](const ListenConfig& config) { return config.text == it->config.text; });
    if (kept) {
      ++it;
      continue;
    }
    unwatch(*it);
    removed_.push_back(std::move(*it));
    it = active_.erase(it);
  }
  for (ListenConfig& config : wanted_) {  // a changed backlog takes effect on the same socket
    const auto same = find_text(active_, config.text);
    if (same == active_.end() || same->config.backlog == config.backlog) continue;
    same->config.backlog = config.backlog;
    ::listen(same->fd.get(), config.backlog);
  }
  for (Listener& listener : prepared_) {
    segment_.connections().open_listener(listener.fd.get());
    active_.push_back(std::move(listener));
  }
  prepared_.clear();
  publish();
  for (Listener& listener : active_) {
    if (listener.watched) continue;
    if (epoll_.add(listener.fd.get()) != 0) throw std::runtime_error("cannot watch " + listener.config.text);
    listener.watched = true;
  }
}

void Listeners::close_removed() {
  for (Listener& listener : removed_) close_listener(listener);
  removed_.clear();
}

void Listeners::close_all() {
  for (Listener& listener : active_) {
    unwatch(listener);
    removed_.push_back(std::move(listener));
  }
  active_.clear();
  publish();
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
}

void Listeners::publish() const {
  SegmentHeader& header = segment_.header();
  header.listener_count.store(0, std::memory_order_release);
  for (std::size_t i = 0; i < active_.size(); ++i) {
    header.listener_fds[i].store(active_[i].fd.get(), std::memory_order_relaxed);
    const std::string text = active_[i].bound.to_string();
    std::strncpy(header.listeners[i], text.c_str(), sizeof header.listeners[i] - 1);
    header.listeners[i][sizeof header.listeners[i] - 1] = '\0';
  }
  header.listener_count.store(static_cast<std::uint32_t>(active_.size()), std::memory_order_release);
}

}  // namespace baton
