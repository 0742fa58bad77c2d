// Responses: from a reply to bytes in the kernel's hands, now or later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "worker/h1/session.h"

namespace baton::h1 {

// One per worker.
class Responder {
 public:
  explicit Responder(Session& session) : session_(session) {}

  // Appends the reply to the outbox; returns whether the connection goes on after it.
  bool respond(bool keep_alive);
  // Counts a response; returns the same.
  bool begin_response(bool keep_alive);
  // For the access log, should another process have to write the line.
  void note_request(ResponseNote& note) const;

  // Sends what the outbox holds, which answers the first `request_bytes` of what has arrived, and takes these
  // out of the way. What the socket does not take is parked.
  Next flush(std::size_t request_bytes, After after);
  // The same; where the connection does not go on, it lingers if there is more unread.
  Next flush(std::size_t request_bytes, bool keep_alive);

  // Answers what is gathered so far, then the error to the request behind the first `consumed` bytes, and
  // closes: nothing behind a malformed request can be trusted.
  Next refuse(int status, std::string_view reason, std::size_t consumed);

  // Phase::kParked: goes on where the socket was full.
  Next resume();

  // Phase::kLingering: discards input until the client has closed its side.
  Next drain();

  // Sends a part of the outbox. A worker that has lost the descriptor table cannot park the rest: it waits
  // until the client has it.
  SendResult send_all();

  // Writes the last response of the outbox into log and statistics, unless that has been done: `sent` bytes
  // of it have been sent.
  void record(std::uint64_t sent);
  // The same for the one that is parked.
  void record_parked();

  // The spool's budget has no room for something: counts it, and tells the log once a minute.
  void note_full();

 private:
  struct RequestText {
    std::string_view line;
    std::string_view referer;
    std::string_view agent;
  };

  Next park();
  Next end_response(After after);
  void count(ResponseNote& note, const RequestText& request, std::uint64_t sent, std::uint64_t now);
  void set_send_deadline();

  Session& session_;
  std::uint64_t full_told_ns_ = 0;  // when note_full() last told the log
};

}  // namespace baton::h1
