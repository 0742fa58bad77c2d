// One event of one connection: claims it, goes on where it stands, and hands it back.
#pragma once

#include <cstdint>

#include "worker/app/module_host.h"
#include "worker/h1/admission.h"
#include "worker/h1/answer.h"
#include "worker/h1/body_intake.h"
#include "worker/h1/request_reader.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"

namespace baton::h1 {

// One per worker, for its event thread.
class Turn {
 public:
  Turn(const WorkerContext& context, app::ModuleHost& modules, AccessLog& log);

  // Handles an event of `fd` and `generation`. Does nothing if another process holds the connection. `now_ns`
  // is monotonic_ns() of the event.
  void handle(int fd, std::uint32_t generation, std::uint64_t now_ns);

  // Handles a connection that this worker has just accepted: this worker holds it, and it is not in the epoll
  // set yet.
  void handle_accepted(int fd, std::uint64_t now_ns);

 private:
  Next take(int fd, std::uint64_t now_ns);  // kClose: the connection is closed; else it is still held
  Next go_on();
  Next obey_verdict(Verdict verdict);
  Next fail_request(int status);
  void hand_back_waiting(int fd);
  void begin_close();

  Session session_;
  Admission admission_;
  Responder responder_;
  Answer answer_;
  BodyIntake bodies_;
  RequestReader requests_;
};

}  // namespace baton::h1
