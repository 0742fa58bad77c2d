#include "master/reclaimer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include "common/base/address_overlap.h"
#include "common/base/log.h"
#include "common/base/tcp_counts.h"
#include "common/shared/tls_table.h"
#include "worker/connection/acceptor.h"
#include "worker/connection/spool.h"

namespace baton {

namespace {

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

int integer_option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// Nameless files that workers make: on disk, or memfds, whose names the kernel shows behind the link.
bool is_workers_memory(int fd, int flags) {
  if ((flags & O_TMPFILE) == O_TMPFILE) return true;
  char link[32];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  char target[64];
  const ssize_t length = ::readlink(link, target, sizeof target);
  if (length <= 0) return false;
  const std::string_view name(target, static_cast<std::size_t>(length));
  constexpr std::array<std::string_view, 6> kNames{
      "/memfd:baton-record (deleted)", "/memfd:baton-head (deleted)",     "/memfd:baton-body (deleted)",
      "/memfd:baton-made (deleted)",   "/memfd:baton-response (deleted)", "/memfd:baton-listing (deleted)"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

void Reclaimer::on_death(FlightPhase last_phase) {
  wanted_ = true;
  if (last_phase != FlightPhase::kAccepting) all_accepting_ = false;
}

void Reclaimer::look(const TimeoutConfig& timeouts) {
  if (suspects_.empty()) {
    if (!wanted_) return;
    wanted_ = false;
    list_suspects();
    note_movers();
  }
  if (!suspects_.empty() && movers_are_through()) settle(timeouts);
}

void Reclaimer::list_suspects() {
  const std::unique_ptr<DIR, DirectoryCloser> folder(::opendir("/proc/self/fd"));
  if (!folder) {
    wanted_ = true;  // no descriptor is free: try again later
    return;
  }
  std::vector<int> open;
  while (const dirent* entry = ::readdir(folder.get())) {
    const int fd = std::atoi(entry->d_name);
    if (fd <= STDERR_FILENO || fd == ::dirfd(folder.get()) || !segment_.connections().contains(fd)) continue;
    open.push_back(fd);
  }
  const std::vector<bool> known = named();
  for (const int fd : open) {
    Suspect suspect;
    if (!known[static_cast<std::size_t>(fd)] && identify(fd, suspect)) suspects_.push_back(suspect);
  }
  accepting_only_ = std::exchange(all_accepting_, true);
}

// Indexed by descriptor number. Slots that living workers hold are read without waiting: a descriptor that
// this misses is in motion.
std::vector<bool> Reclaimer::named() const {
  const ConnectionTable table = segment_.connections();
  std::vector<bool> known(table.size());
  const auto name = [&known](int fd) {
    if (fd >= 0 && static_cast<std::size_t>(fd) < known.size()) known[static_cast<std::size_t>(fd)] = true;
  };
  const int highest = segment_.highest_fd();
  for (int fd = 0; fd <= highest; ++fd) {
    const Claim claim = table.claim(fd);
    if (claim.state == SlotState::kFree) continue;
    name(fd);
    if (!claim.is_client()) continue;
    const Slot& slot = table.at(fd);
    name(slot.body_fd);
    name(slot.script_fd);
    name(slot.spool_fd);
    if (slot.socket == SocketKind::kTls) name(TlsTable::at(fd).cipher_fd);
  }
  segment_.files().for_each_fd(name);
  for (std::size_t i = 0; i < segment_.scoreboard().size(); ++i) {
    if (!segment_.scoreboard()[i].has_process()) continue;
    name(segment_.scoreboard()[i].flight.private_file.load(std::memory_order_relaxed));
    name(segment_.outboxes()[i].spill_fd.load(std::memory_order_relaxed));
    name(segment_.outboxes()[i].stored_fd.load(std::memory_order_relaxed));
  }
  return known;
}

bool Reclaimer::identify(int fd, Suspect& suspect) const {
  struct stat status {};
  if (is_own_(fd) || ::fstat(fd, &status) != 0) return false;
  suspect = {fd, Kind::kFile, status.st_ino, segment_.connections().claim(fd).generation};
  if (S_ISSOCK(status.st_mode)) {
    suspect.kind = Kind::kSocket;
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    // A listener is the master's. A socket that has no peer any more was a client all the same.
    return integer_option(fd, SO_ACCEPTCONN) == 0 &&
           (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 || errno == ENOTCONN) &&
           integer_option(fd, SO_TYPE) == SOCK_STREAM;
  }
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && is_workers_memory(fd, flags)) {
    suspect.kind = Kind::kMemory;
    return true;
  }
  return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

void Reclaimer::close_file(int fd) {
  Suspect file;
  if (fd > STDERR_FILENO && segment_.connections().contains(fd) && identify(fd, file) &&
      file.kind != Kind::kSocket)
    ::close(fd);
}

void Reclaimer::note_movers() {
  movers_.clear();
  const Scoreboard scoreboard = segment_.scoreboard();
  for (std::size_t i = 0; i < scoreboard.size(); ++i) {
    if (!scoreboard[i].has_process()) continue;
    const FlightRecord& flight = scoreboard[i].flight;
    const Mover mover{i, flight.sockets_in_motion.load(std::memory_order_seq_cst),
                      flight.files_in_motion.load(std::memory_order_seq_cst)};
    if (mover.sockets % 2 != 0 || mover.files % 2 != 0) movers_.push_back(mover);
  }
}

// A kind of descriptor (sockets, files) that was not in motion when it was noted is through already. A worker
// that has died since, or whose entry belongs to another worker by now, moves nothing.
bool Reclaimer::movers_are_through() {
  std::erase_if(movers_, [this](const Mover& mover) {
    const WorkerEntry& entry = segment_.scoreboard()[mover.index];
    const FlightRecord& flight = entry.flight;
    const auto moved = [](std::uint32_t then, std::uint32_t now) { return then % 2 == 0 || now != then; };
    return !entry.has_process() ||
           (moved(mover.sockets, flight.sockets_in_motion.load(std::memory_order_seq_cst)) &&
            moved(mover.files, flight.files_in_motion.load(std::memory_order_seq_cst)));
  });
  return movers_.empty();
}

bool Reclaimer::files_stand_still(std::vector<std::uint32_t>& counts) const {
  counts.clear();
  bool still = true;
  for (const WorkerEntry& entry : segment_.scoreboard()) {
    const std::uint32_t count = entry.flight.files_in_motion.load(std::memory_order_seq_cst);
    still = still && (!entry.has_process() || count % 2 == 0);
    counts.push_back(count);
  }
  return still;
}

void Reclaimer::settle(const TimeoutConfig& timeouts) {
  std::vector<std::uint32_t> before;
  std::vector<std::uint32_t> after;
  bool still = files_stand_still(before);
  const std::vector<bool> known = named();
  std::erase_if(suspects_, [&](const Suspect& suspect) {
    Suspect now;
    return known[static_cast<std::size_t>(suspect.fd)] || !identify(suspect.fd, now) ||
           now.kind != suspect.kind || now.inode != suspect.inode || now.generation != suspect.generation;
  });
  still = files_stand_still(after) && still && before == after;
  std::erase_if(suspects_, [&](const Suspect& suspect) {
    if (suspect.kind != Kind::kSocket && !still) return false;  // try again at another moment
    take(suspect, timeouts);
    return true;
  });
}

void Reclaimer::take(const Suspect& suspect, const TimeoutConfig& timeouts) {
  if (suspect.kind == Kind::kSocket && adopt(suspect.fd, timeouts)) {
    ++totals_.adopted;
    log::debug("a client accepted by a dead worker is served, on descriptor {}", suspect.fd);
    return;
  }
  ++totals_.closed;
  log::debug("descriptor {} that a worker left open is closed", suspect.fd);
  close_spool(suspect.fd);
}

// Adopts a socket on which nothing has come or gone, because such a socket was not about to be closed. A Unix
// socket has no counts to tell this, so the last phase of the dead workers decides.
bool Reclaimer::adopt(int fd, const TimeoutConfig& timeouts) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_UNIX) {
    if (!accepting_only_) return false;
  } else {
    const auto counts = stream_counts(fd);
    if (!counts || counts->written != 0 || counts->consumed != 0) return false;
  }
  const ConnectionTable table = segment_.connections();
  raise_highest(segment_.header(), fd);
  if (came_to_tls(fd)) {
    const auto set = handshake_set_ ? handshake_set_() : std::nullopt;
    if (!set) return false;
    TlsTable::at(fd).keyholder = static_cast<std::uint8_t>(*set);
    table.open(fd, kMasterHolder, SlotRole::kHandshake);
  } else {
    table.open(fd, kMasterHolder);
  }
  fill_in(table.at(fd), table.notes(fd), peer, segment_.addresses(), tick_of(monotonic_ns()), timeouts);
  table.release(fd, SlotState::kArmedRead);
  if (epoll_.add(fd) != 0) epoll_.rearm(fd);
  return true;
}

// By the port: a listener of TLS and one without cannot have the same one.
bool Reclaimer::came_to_tls(int fd) const {
  const Address here = Address::of_socket(fd);
  bool tls = false;
  segment_.for_each_listener([&](int listener) {
    if (segment_.connections().claim(listener).role != SlotRole::kTlsListener) return;
    tls = tls || port_of(Address::of_socket(listener)) == port_of(here);
  });
  return tls;
}

}  // namespace baton
