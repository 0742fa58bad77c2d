#include "common/shared/tls_table.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "common/base/units.h"

namespace baton {

namespace {

// The tickets' keys come first, then the states.
constexpr std::size_t kStatesAt =
    (sizeof(TicketKeys) + alignof(TlsState) - 1) / alignof(TlsState) * alignof(TlsState);

std::span<std::byte> mapped;
std::span<TlsState> states_of_process;

[[noreturn]] void fail(const char* what, std::size_t bytes) {
  throw std::runtime_error(std::string("cannot ") + what + " " + format_bytes(bytes) +
                           " of memory for TLS connections: " + std::strerror(errno));
}

}  // namespace

std::span<TlsState> TlsTable::states() {
  return states_of_process;
}

TlsState& TlsTable::at(int fd) {
  static TlsState of_nobody;
  const auto index = static_cast<std::size_t>(fd);
  return index < states_of_process.size() ? states_of_process[index] : of_nobody;
}

std::span<std::byte> TlsTable::memory() {
  return mapped;
}

TicketKeys& TlsTable::tickets() {
  return *reinterpret_cast<TicketKeys*>(mapped.data());
}

TlsTable TlsTable::create(std::size_t slots) {
  UniqueFd memory(::memfd_create("baton tls", MFD_CLOEXEC));
  const std::size_t bytes = kStatesAt + slots * sizeof(TlsState);
  if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0) fail("get", bytes);
  TlsTable table = map(std::move(memory), slots);
  ::new (mapped.data()) TicketKeys;
  tickets().make();
  for (TlsState& state : states_of_process) ::new (&state) TlsState;
  return table;
}

TlsTable TlsTable::adopt(UniqueFd memory, std::size_t slots) {
  return map(std::move(memory), slots);
}

TlsTable TlsTable::map(UniqueFd memory, std::size_t slots) {
  const std::size_t bytes = kStatesAt + slots * sizeof(TlsState);
  // Set aside now: later a lack of memory would be SIGBUS.
  if (const int error = ::posix_fallocate(memory.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    errno = error;
    fail("set aside", bytes);
  }
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) fail("map", bytes);
  ::madvise(at, bytes, MADV_DONTDUMP);
  mapped = {static_cast<std::byte*>(at), bytes};
  states_of_process = {reinterpret_cast<TlsState*>(mapped.data() + kStatesAt), slots};
  return TlsTable(std::move(memory));
}

}  // namespace baton
