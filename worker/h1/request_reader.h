// Reads requests whose head is at the front of what has arrived: Phase::kHead.
#pragma once

#include <cstddef>
#include <string_view>

#include "worker/h1/answer.h"
#include "worker/h1/body_intake.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"

namespace baton::h1 {

// One per worker, for its event thread. Answers pipelined requests in batches: one peek, one send and one
// consume for all of a batch.
class RequestReader {
 public:
  RequestReader(Session& session, Responder& responder, Answer& answer, BodyIntake& bodies)
      : session_(session), responder_(responder), answer_(answer), bodies_(bodies) {}

  Next read();

 private:
  // What serve_one() has done with its request, and what read() does next.
  enum class Step : std::uint8_t {
    kGoOn,   // the request is answered: take the next one
    kFlush,  // the batch ends here: send the answers, then wait for more
    kDone,   // all is sent: next_ says how the connection is handed back
  };
  Step serve_one(std::string_view rest);
  Step done(Next next) {
    next_ = next;
    return Step::kDone;
  }

  Session& session_;
  Responder& responder_;
  Answer& answer_;
  BodyIntake& bodies_;

  // Of the batch.
  std::size_t consumed_ = 0;  // bytes of the requests that are answered
  bool keep_alive_ = true;
  Next next_ = Next::kRead;
};

}  // namespace baton::h1
