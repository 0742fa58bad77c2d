// Makes the reply to a complete request.
#pragma once

#include <cstddef>

#include "worker/app/module_host.h"
#include "worker/h1/admission.h"
#include "worker/h1/handler_run.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"
#include "worker/serve/dispatch.h"

namespace baton::h1 {

// One per worker, for its event thread.
class Answer {
 public:
  Answer(Session& session, Responder& responder, Admission& admission, app::ModuleHost& modules);

  // Finds what answers the request in hand, and on which terms. If nothing can answer it, its error reply is
  // made here.
  serve::Exchange begin();

  // How far make() has come.
  enum class Made : std::uint8_t {
    kReady,     // the response is in the outbox; keep_alive() says whether the connection goes on after it
    kStreamed,  // the response was sent while it was made; next() says how the connection is handed back
    kWaits,     // the request waits for a place (admission.h); nothing has been done
    kNotHere,   // a file has to be opened, which this worker may not do now; nothing has been done
  };
  // Does the whole sequence: stores Phase::kHandling if the request may be begun only once, makes the reply,
  // and composes the response. `request_bytes` is the length of the request, or that of its head if its body
  // has been consumed.
  Made make(serve::Exchange& exchange, std::size_t request_bytes);
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] Next next() const { return next_; }

  // Makes the reply alone, to see whether it would be a refusal. Only for requests that no handler answers.
  void reply(serve::Exchange& exchange);

 private:
  bool waits_for_place(serve::Exchange& exchange);
  void begin_at_most_once(std::size_t request_bytes);

  Session& session_;
  Responder& responder_;
  Admission& admission_;
  serve::Dispatcher dispatcher_;
  HandlerRun handlers_;
  bool keep_alive_ = false;
  Next next_ = Next::kClose;
};

}  // namespace baton::h1
