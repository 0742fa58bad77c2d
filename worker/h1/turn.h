// One event of one connection: claim, go on where the connection stands, hand it back.
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

// One per worker.
class Turn {
 public:
  Turn(const WorkerContext& context, app::ModuleHost& modules, AccessLog& log);

  // An event for `fd` has been delivered. Ignores it when the connection is not free to be claimed.
  void handle(int fd, std::uint32_t generation, std::uint64_t now_ns);

  // A connection just accepted, which this worker holds and which is not in the epoll set yet.
  void handle_accepted(int fd, std::uint64_t now_ns);

 private:
  Next take(int fd, std::uint64_t now_ns);  // kClose: it has been closed; else it is still held
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
