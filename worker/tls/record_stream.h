// The shape of a response as a stream of records (TlsResponse): which record a byte of ciphertext is in. Pure
// arithmetic on what is frozen, so the master can do it in the place of a dead worker.
#pragma once

#include <cstdint>

#include "common/shared/tls_state.h"

namespace baton::tls {

class RecordStream {
 public:
  // Copies what it needs. The values are those of a connection in shared memory: any value is safe.
  RecordStream(const TlsState& state, const TlsResponse& response);

  // Bytes of ciphertext, all records together.
  [[nodiscard]] std::uint64_t bytes() const { return end_ + (response_.close_notify ? overhead_ + 2 : 0); }
  // How many records hold plaintext.
  [[nodiscard]] std::uint64_t records() const { return records_; }

  enum class Item : std::uint8_t { kKeyUpdate, kPlain, kCloseNotify, kNone };
  // A record of the stream.
  struct Place {
    Item item = Item::kNone;   // kNone: behind the end
    std::uint64_t index = 0;   // kPlain: which of the records with plaintext; otherwise how many come before
    std::uint64_t start = 0;   // of the record, in bytes of ciphertext from the stream's beginning on
    std::uint64_t plain = 0;   // how much plaintext the records before it have
    std::uint32_t length = 0;  // kPlain: how much plaintext it has
  };
  // The record that byte number `offset` of the ciphertext belongs to.
  [[nodiscard]] Place place_of(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t sequence_of(const Place& place) const;
  [[nodiscard]] std::uint32_t generation_of(const Place& place) const;

  // What is left when `sent` bytes of ciphertext have been sent: a response that begins with the record that is
  // begun, or comes next.
  [[nodiscard]] TlsResponse rest(std::uint64_t sent) const;
  // Where writing stands behind all of it.
  [[nodiscard]] TlsWriting after() const;

 private:
  [[nodiscard]] std::uint64_t key_update_bytes() const { return response_.key_update ? overhead_ + 5 : 0; }

  TlsResponse response_;
  std::uint64_t overhead_;
  std::uint64_t max_plain_;
  std::uint64_t first_;    // plaintext of the first record
  std::uint64_t records_;  // that hold plaintext
  std::uint64_t end_;      // bytes of ciphertext before a close_notify
};

// Where writing stands between two responses, when `state.written` bytes were written: behind the last response
// and the interim responses since. Nothing: a part of a record was sent.
[[nodiscard]] bool writing_now(const TlsState& state, TlsWriting& now);

// The current one of state.reading, when `state.taken` bytes were consumed.
[[nodiscard]] const TlsReading& reading_now(const TlsState& state);
// Makes `next` the current one as soon as next.at bytes are consumed.
void store_reading(TlsState& state, const TlsReading& next);

}  // namespace baton::tls
