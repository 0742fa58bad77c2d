// The TlsStates of all connections, and the keys of session tickets: memory of its own beside the segment, which only
// the server's processes map. So neither batonctl nor a core dump has the keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/base/unique_fd.h"
#include "common/shared/ticket_keys.h"
#include "common/shared/tls_state.h"

namespace baton {

class TlsTable {
 public:
  // Sets the memory aside for `slots` connections. The calling process and its children use it from then on.
  // Throws std::runtime_error.
  static TlsTable create(std::size_t slots);
  // The same for the memory of a program that an upgrade has replaced. The descriptor is taken over.
  static TlsTable adopt(UniqueFd memory, std::size_t slots);

  TlsTable() = default;
  TlsTable(TlsTable&&) noexcept = default;
  TlsTable& operator=(TlsTable&&) noexcept = default;

  [[nodiscard]] int fd() const { return memory_.get(); }
  explicit operator bool() const { return memory_.get() >= 0; }

  // Of this process, whichever object made it. Empty: no listener has TLS, and none had.
  static std::span<TlsState> states();
  // Of a descriptor without one, which a worker that has gone wrong may call a TLS connection: one that is nobody's.
  static TlsState& at(int fd);
  static TicketKeys& tickets();
  // All of it, for Protection::guard().
  static std::span<std::byte> memory();

 private:
  explicit TlsTable(UniqueFd memory) : memory_(std::move(memory)) {}
  static TlsTable map(UniqueFd memory, std::size_t slots);

  UniqueFd memory_;
};

}  // namespace baton
