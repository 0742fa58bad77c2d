// Serves one event of one connection: claim, go on where the connection stands, hand it back.
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/http/parser.h"
#include "common/shared/descriptor_motion.h"
#include "worker/app/module_host.h"
#include "worker/connection/inbox.h"
#include "worker/connection/outbox.h"
#include "worker/h1/admission.h"
#include "worker/process/access_log.h"
#include "worker/process/context.h"
#include "worker/serve/dispatch.h"
#include "worker/serve/file_cache.h"

namespace baton {

constexpr std::string_view kRetryAfter = "1";  // seconds; nobody knows when one of the others is done
constexpr std::string_view kNoPlace = "All workers that may serve requests of this kind are busy.";

// One per worker. handle() runs the whole of it; no state of a connection is kept here between calls, because
// the next event of that connection may go to another process.
class ConnectionHandler final : private app::ResponseSink {
 public:
  ConnectionHandler(const WorkerContext& context, app::ModuleHost& modules, AccessLog& log);

  // An event for `fd` has been delivered. Ignores it when the connection is not free to be claimed.
  void handle(int fd, std::uint32_t generation, std::uint64_t now_ns);

  // A connection just accepted, which this worker holds and which is not in the epoll set yet.
  void handle_accepted(int fd, std::uint64_t now_ns);

 private:
  // How the connection is to be handed back.
  enum class Next : std::uint8_t {
    kRead,
    kWrite,
    kWait,  // for a place: released, but not re-armed
    kClose,
  };

  Next turn(int fd, std::uint64_t now_ns);  // kClose: the connection has been closed; else released
  Next run();
  Next obey_verdict(Verdict verdict);
  Next fail_request(int status);

  // Heads (Phase::kHead).
  Next read_requests();
  Next wait_for_more(bool served);

  // Bodies (Phase::kBody); in connection_body.cpp.
  enum class BodyResult : std::uint8_t {
    kComplete,
    kIncomplete,
    kTooLarge,
    kBad,
    kFraming,  // chunked, and next to nothing but framing
    kCutShort,
    kBroken,
    kNoRoom,
  };
  BodyResult body_in_buffer(std::string_view rest, const serve::Exchange& exchange, std::size_t& body_bytes);
  [[nodiscard]] std::uint64_t body_limit(const serve::Exchange& exchange) const;
  Next begin_body(serve::Exchange& exchange);
  Next read_body();
  [[nodiscard]] std::uint64_t patience_ns() const;  // for a body
  // Where the decoding of the chunked body stands; null: the slot does not say (a part was lost).
  [[nodiscard]] const ChunkProgress* chunk_progress() const;
  [[nodiscard]] bool body_complete() const;
  [[nodiscard]] bool may_read(int reads_before) const;
  [[nodiscard]] bool mostly_framing(std::uint64_t taken, std::uint64_t received) const;
  BodyResult take_length();
  BodyResult take_length_to_spool();
  BodyResult take_chunks();
  [[nodiscard]] bool keeps_body() const { return (slot_->flags & SlotFlags::kKeepBody) != 0; }
  [[nodiscard]] std::uint64_t body_end() const {  // of a body with a length, counted as Slot::bytes_in
    return static_cast<std::uint64_t>(slot_->body_offset) + slot_->body_bytes;
  }
  bool spool_body(std::string_view bytes, std::uint64_t at);
  Next finish_body();
  Next refuse_body(BodyResult result, std::size_t consumed);
  Next refuse_for_room(std::size_t consumed);
  void note_full();

  // Responses; in connection_response.cpp.
  serve::Exchange begin_exchange();
  [[nodiscard]] bool once(const serve::Exchange& exchange) const;
  void make_reply(serve::Exchange& exchange);
  bool begin_response(bool keep_alive);  // counts it; returns whether the connection goes on after it
  void note_request(ResponseNote& note) const;
  bool respond(
      bool keep_alive);  // appends the reply to the outbox; returns whether the connection goes on after it
  void begin_once(std::size_t request_bytes);
  SendResult send_all();
  Next refuse(int status, std::string_view reason, std::size_t consumed);
  Next flush(std::size_t consumed, bool keep_alive, bool linger);
  Next park();
  Next resume_response();
  Next end_response(bool close, bool linger);
  void record(std::uint64_t sent);
  void record_parked();
  void set_send_deadline();
  // How it is handed back when it needs a descriptor and there is none to be had.
  static Next without_descriptor() { return DescriptorMotion::table_lost() ? Next::kRead : Next::kClose; }

  // Handlers of modules; in connection_module.cpp.
  [[nodiscard]] bool waits_for_place(serve::Exchange& exchange);
  void run_handler(serve::Exchange& exchange);
  void use_response(serve::Exchange& exchange, const app::Response& response);
  int open_file(const std::string& path) override;
  bool store(std::string_view bytes) override;
  void discard_stored() override { outbox_.discard_stored(); }
  Streamed stream(std::string_view bytes, bool wait) override;
  bool hung_up() override;
  void begin_stream();
  [[nodiscard]] bool streams_body() const;
  bool begin_chunk(std::uint64_t bytes);
  void end_chunk();
  void append_chunk(std::string_view bytes);
  bool send_stream();
  [[nodiscard]] bool stream_full() const;
  bool await_room();
  [[nodiscard]] int queued_bytes() const;
  Next end_stream(std::size_t consumed, bool more);

  // Endings.
  Next drain();
  void begin_close();
  [[nodiscard]] bool stopping() const;
  [[nodiscard]] Tick after(Duration duration) const { return tick_ + ticks_of(duration); }

  const WorkerContext& context_;
  Admission admission_;
  Counters& counters_;
  FlightRecord& flight_;
  ConnectionTable table_;
  AccessLog& log_;
  app::ModuleHost& modules_;
  SpoolPlace spool_place_;
  serve::FileCache files_;
  serve::Dispatcher dispatcher_;
  http::ParserLimits parser_limits_;

  Inbox inbox_;
  Outbox outbox_;
  http::Request request_;
  http::Reply reply_;
  std::uint64_t full_told_ns_ = 0;  // when the log was last told that the spool's budget is used up
  std::string body_;                // what came in chunks: of one peek, or a whole body

  // Of the event in hand.
  int fd_ = -1;
  Slot* slot_ = nullptr;
  std::uint64_t started_ns_ = 0;   // of the request in hand
  std::uint64_t turn_end_ns_ = 0;  // when the event has had its time: others are waiting
  Tick tick_ = 0;
  std::optional<Tick> waits_until_;  // it has been waiting for a place: until then
  std::time_t now_ = 0;

  // Of the handler that runs.
  const serve::Exchange* exchange_ = nullptr;
  std::optional<serve::OpenFile> opened_;
  std::string opened_path_;
  bool full_ = false;  // the budget has no room for what it makes
  struct Stream {
    bool begun = false;
    bool keep_alive = false;
    bool failed = false;           // it cannot be brought to its end
    std::uint64_t blocked_ns = 0;  // since when the client takes nothing
    int queued = 0;                // what the kernel held for it then
  } stream_;
};

}  // namespace baton
