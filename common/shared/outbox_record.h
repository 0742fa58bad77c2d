// The response that a worker is sending, in shared memory. When the worker dies, the master parks the rest.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "common/shared/connection_table.h"

namespace baton {

// One per scoreboard entry. Its worker writes it (through Outbox), and the master reads it after the
// worker's death. It is complete and frozen while a slot that the worker holds is in Phase::kResponse, and
// meaningless otherwise. The kernel knows how much has been sent; for a Unix socket, `sent` says so between
// two calls.
struct OutboxRecord {
  static constexpr std::uint32_t kMaxPieces = 64;  // a response of 16 ranges has 33
  static constexpr std::uint32_t kMemoryBytes = 64 * 1024;

  struct Piece {
    // -1: bytes of `memory`. Otherwise a range of a file, open until the response is sent.
    std::int32_t fd = -1;
    off_t offset = 0;
    off_t length = 0;
  };

  ResponseNote last;                        // the last response of the batch
  std::atomic<std::int32_t> spill_fd{-1};   // this worker's memfd for what does not fit `memory`
  std::atomic<std::int32_t> stored_fd{-1};  // this worker's file with a body that a module has made
  std::uint32_t piece_count = 0;
  std::uint32_t memory_bytes = 0;
  std::uint64_t sent = 0;
  // 1: a part is only in the worker's own memory, so the rest cannot be parked.
  std::uint32_t incomplete = 0;
  Piece pieces[kMaxPieces] = {};
  char memory[kMemoryBytes] = {};
};

}  // namespace baton
