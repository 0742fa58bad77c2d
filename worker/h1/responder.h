// Sends responses: brings a reply into the kernel's hands, now or later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "worker/h1/session.h"

namespace baton::h1 {

// One per worker, for its event thread.
class Responder {
 public:
  explicit Responder(Session& session) : session_(session) {}

  // Appends the reply to the outbox. Returns whether the connection goes on after it.
  bool respond(bool keep_alive);
  // Counts a response. Returns whether the connection goes on after it.
  bool begin_response(bool keep_alive);
  // Notes the request for the access log, in case another process has to write the line.
  void note_request(ResponseNote& note) const;

  // Sends the outbox, which answers the first `request_bytes` bytes that have arrived, and consumes these.
  // Parks what the socket does not take.
  Next flush(std::size_t request_bytes, After after);
  // The same. If the connection does not go on, it lingers when more bytes are unread.
  Next flush(std::size_t request_bytes, bool keep_alive);

  // Sends the responses that are gathered so far, then an error to the request behind the first `consumed`
  // bytes, and closes: no byte behind a malformed request can be trusted.
  Next refuse(int status, std::string_view reason, std::size_t consumed);

  // Phase::kParked: sends on, from where the socket was full.
  Next resume();

  // Phase::kLingering: discards input until the client has closed its side.
  Next drain();

  // Sends as much of the outbox as the socket takes. A worker that has lost the descriptor table cannot park
  // the rest, so it waits until the client has taken all.
  SendResult send_all();

  // Records the last response of the outbox in log and statistics, unless that has been done. `sent` bytes of
  // it have been sent.
  void record(std::uint64_t sent);
  // Records the parked response, likewise.
  void record_parked();

  // Call when the spool's budget has no room. Counts that, and tells the log at most once a minute.
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
