// The response that a worker is sending, in shared memory: when the worker dies, the master parks the rest.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "common/shared/connection_table.h"

namespace baton {

// One per scoreboard entry, written by that worker (through Outbox) and read by the master after its death:
// complete, and frozen, while a slot that the worker holds is in Phase::kResponse; meaningless otherwise.
// How much of it has been sent the kernel knows; of a Unix socket, `sent` says it between two calls.
struct OutboxRecord {
  static constexpr std::uint32_t kMaxPieces = 64;  // a response of 16 ranges has 33
  static constexpr std::uint32_t kMemoryBytes = 64 * 1024;

  struct Piece {
    std::int32_t fd = -1;  // -1: bytes of `memory`; else a range of a file, open until the response is sent
    off_t offset = 0;
    off_t length = 0;
  };

  ResponseNote last;                        // the last response of the batch
  std::atomic<std::int32_t> spill_fd{-1};   // memfd of this worker's for what does not fit `memory`
  std::atomic<std::int32_t> stored_fd{-1};  // file of this worker's with a body that a module has made
  std::uint32_t piece_count = 0;
  std::uint32_t memory_bytes = 0;
  std::uint64_t sent = 0;
  std::uint32_t incomplete = 0;  // 1: a part is in the worker's own memory only, the rest cannot be parked
  Piece pieces[kMaxPieces] = {};
  char memory[kMemoryBytes] = {};
};

}  // namespace baton
