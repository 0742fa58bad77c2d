// Runs a module's handler, and sends its response while it is made if it streams (worker/app/response.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "worker/app/module_host.h"
#include "worker/h1/admission.h"
#include "worker/h1/responder.h"
#include "worker/h1/session.h"
#include "worker/serve/dispatch.h"

namespace baton::h1 {

// One per worker, for its event thread.
class HandlerRun final : private app::ResponseSink {
 public:
  HandlerRun(Session& session, Responder& responder, Admission& admission, app::ModuleHost& modules,
             serve::Dispatcher& dispatcher)
      : session_(session),
        responder_(responder),
        admission_(admission),
        modules_(modules),
        dispatcher_(dispatcher) {}

  // Forgets the stream of the request before.
  void reset() { stream_ = {}; }

  // Has the handler make the reply to the request in hand, which Admission has admitted. A failure becomes an
  // error reply, unless streamed().
  void run(serve::Exchange& exchange);

  // Whether a part of the response has left. Such a response can neither be made again nor be taken back.
  [[nodiscard]] bool streamed() const { return stream_.begun; }
  // If streamed(): sends the rest of the response, as Responder::flush() does.
  Next end_stream(std::size_t request_bytes);

 private:
  void use_response(serve::Exchange& exchange, const app::Response& response);

  int open_file(const std::string& path) override;
  bool store(std::string_view bytes) override;
  void discard_stored() override { session_.outbox.discard_stored(); }
  Streamed stream(std::string_view bytes, bool wait) override;
  bool hung_up() override { return session_.socket().hung_up(); }

  void begin_stream();
  [[nodiscard]] bool streams_body() const;
  bool begin_chunk(std::uint64_t bytes);
  void end_chunk();
  void append_chunk(std::string_view bytes);
  bool send_stream();
  [[nodiscard]] bool stream_full() const;
  bool await_room();

  Session& session_;
  Responder& responder_;
  Admission& admission_;
  app::ModuleHost& modules_;
  serve::Dispatcher& dispatcher_;

  // Of the handler that runs.
  serve::Exchange* exchange_ = nullptr;
  std::optional<serve::OpenFile> opened_;
  std::string opened_path_;
  bool full_ = false;  // the spool's budget has no room for its response
  struct Stream {
    bool begun = false;
    bool keep_alive = false;
    bool failed = false;           // the response cannot be completed
    std::uint64_t blocked_ns = 0;  // since when the client has taken nothing
    int queued = 0;                // bytes that the kernel held for the client then
  } stream_;
};

}  // namespace baton::h1
