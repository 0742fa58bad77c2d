// From a request, complete, to its reply.
#pragma once

#include <cstddef>

#include "worker/app/module_host.h"
#include "worker/h1/admission.h"
#include "worker/h1/handler_run.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"
#include "worker/serve/dispatch.h"

namespace baton::h1 {

// One per worker.
class Answer {
 public:
  Answer(Session& session, Responder& responder, Admission& admission, app::ModuleHost& modules);

  // Finds where the request in hand goes, and on which terms. What cannot go anywhere has its reply then.
  serve::Exchange begin();

  // How far make() has come.
  enum class Made : std::uint8_t {
    kReady,     // the response is in the outbox; keep_alive() says whether the connection goes on after it
    kStreamed,  // it has been sent while it was made; next() says how the connection is handed back
    kWaits,     // it waits for a worker that modules may hold; nothing has been done
    kNotHere,   // it needs a file to be opened, which this worker may not do now; nothing has been done
  };
  // The whole sequence: from here on the request is begun at most once, where its terms say so; its reply is made;
  // the response is composed. `request_bytes` is its length, or that of its head when its body has been
  // consumed.
  Made make(serve::Exchange& exchange, std::size_t request_bytes);
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] Next next() const { return next_; }

  // The reply alone, to see whether it would be a refusal. For requests that no handler answers.
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
