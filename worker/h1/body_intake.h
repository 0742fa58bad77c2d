// Request bodies: with their head, or as they arrive (Phase::kBody).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/h1/answer.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"

namespace baton::h1 {

// One per worker.
class BodyIntake {
 public:
  BodyIntake(Session& session, Responder& responder, Answer& answer)
      : session_(session), responder_(responder), answer_(answer) {}

  enum class Result : std::uint8_t {
    kComplete,
    kIncomplete,
    kTooLarge,
    kBad,
    kFraming,  // chunked, and next to nothing but framing
    kCutShort,
    kBroken,
    kNoRoom,
  };

  // A body that has arrived with its head needs no phase of its own: looks for it at the front of `rest`.
  // `body_bytes` is its length there, framing included.
  Result find_in(std::string_view rest, const serve::Exchange& exchange, std::size_t& body_bytes);
  // Then, where the terms of the exchange keep it: what it says; `framed` is what has been found.
  [[nodiscard]] std::string_view found(std::string_view framed) const;

  // Of the request in hand, whose head is all that is certain to have arrived: enters the phase.
  Next begin(serve::Exchange& exchange);
  // Takes what has arrived of it. Answers the request when that was the rest.
  Next read();
  [[nodiscard]] bool complete() const;

  // Answers with what the result means, and closes. `consumed`: as Responder::refuse().
  Next refuse(Result result, std::size_t consumed);

 private:
  [[nodiscard]] std::uint64_t patience_ns() const;
  // Where the decoding of the chunked body stands; null: the slot does not say (a part was lost).
  [[nodiscard]] const ChunkProgress* chunk_progress() const;
  [[nodiscard]] bool may_read(int reads_before) const;
  [[nodiscard]] bool mostly_framing(std::uint64_t taken, std::uint64_t received) const;
  [[nodiscard]] bool keeps_body() const { return session_.slot->has(SlotFlags::kKeepBody); }
  // Of a body with a length, counted as Slot::bytes_in.
  [[nodiscard]] std::uint64_t end() const {
    return session_.slot->body.begun_at + session_.slot->body.length;
  }
  bool send_continue();
  Result take_length();
  Result take_length_to_spool();
  Result take_chunks();
  bool spool(std::string_view bytes, std::uint64_t at);
  void taken(std::uint64_t bytes);
  Next finish();
  Next refuse_for_room(std::size_t consumed);

  Session& session_;
  Responder& responder_;
  Answer& answer_;
  std::string decoded_;  // what came in chunks: of one peek, or a whole body
};

}  // namespace baton::h1
