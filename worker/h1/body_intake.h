// Takes request bodies: those that arrive with their head, and those that come later (Phase::kBody).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/h1/answer.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"

namespace baton::h1 {

// One per worker, for its event thread.
class BodyIntake {
 public:
  BodyIntake(Session& session, Responder& responder, Answer& answer)
      : session_(session), responder_(responder), answer_(answer) {}

  enum class Result : std::uint8_t {
    kComplete,
    kIncomplete,
    kTooLarge,  // larger than the route allows, or than the spool can ever hold
    kBad,       // malformed chunks
    kFraming,   // chunked, and next to nothing but framing
    kCutShort,  // the client has shut down its side before the end
    kBroken,    // the connection is
    kNoRoom,    // no place to keep it; errno says why, EDQUOT: the spool's budget
  };

  // Looks for a whole body at the front of `rest`: a body that has arrived with its head needs no phase of
  // its own. `body_bytes` becomes its length there, framing included.
  Result find_in(std::string_view rest, const serve::Exchange& exchange, std::size_t& body_bytes);
  // The content of the body that find_in() has just found, if the terms of the exchange keep it. `framed`:
  // the bytes of the body, framing included. Valid until the next read.
  [[nodiscard]] std::string_view found(std::string_view framed) const;

  // Enters Phase::kBody with the request in hand, whose head has arrived and whose body has not, or not all
  // of it.
  Next begin(serve::Exchange& exchange);
  // Takes more of the body. Answers the request when the body is complete.
  Next read();
  [[nodiscard]] bool complete() const;

  // Answers with the error that the result stands for, and closes. `consumed`: as Responder::refuse().
  Next refuse(Result result, std::size_t consumed);

 private:
  [[nodiscard]] std::uint64_t patience_ns() const;
  // Where the decoding of the chunked body stands. Null: the slot does not say, because a part was lost.
  [[nodiscard]] const ChunkProgress* chunk_progress() const;
  [[nodiscard]] bool may_read(int reads_before) const;
  [[nodiscard]] bool mostly_framing(std::uint64_t taken, std::uint64_t received) const;
  [[nodiscard]] bool keeps_body() const { return session_.slot->has(SlotFlags::kKeepBody); }
  // What Slot::bytes_in will be at the end of a body with a length.
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
  std::string decoded_;  // content of the chunks of one peek, or of a whole body
};

}  // namespace baton::h1
