// The response that a handler is making. It is the object behind the ABI's baton_response.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/http/reply.h"
#include "sdk/baton/abi.h"
#include "worker/app/app_thread.h"

namespace baton::app {

// The server's part of a response in the making. Called on the event thread.
class ResponseSink {
 public:
  // Opens a regular file for the reply. Returns 0 or an errno.
  virtual int open_file(const std::string& path) = 0;
  // Stores a part of a body that has become too large for memory, behind those before. False: there is no
  // room.
  virtual bool store(std::string_view bytes) = 0;
  virtual void discard_stored() = 0;
  // kTaken: the bytes are sent, or kept to be sent. kFull: too much is kept already, nothing was taken.
  // kGone: nothing can be sent any more.
  enum class Streamed : std::uint8_t { kTaken, kFull, kGone };
  // Sends a part of the body, as much as the client takes now, and keeps the rest. The first call sends the
  // head and the stored bytes first. If too much is kept: with `wait`, waits until the client has taken
  // enough; without, returns kFull.
  virtual Streamed stream(std::string_view bytes, bool wait) = 0;
  // Whether the client has closed its side of the connection.
  virtual bool hung_up() = 0;

 protected:
  ~ResponseSink() = default;
};

// Lives for one call of a handler. For the app thread while the handler runs, and for the event thread
// afterwards.
class Response {
 public:
  // Where the body is.
  enum class Body : std::uint8_t {
    kMemory,    // in the reply's text
    kStored,    // in the sink; after finish() all of it
    kFile,      // in the file that the sink has opened
    kStreamed,  // handed to the sink, except for the reply's text
  };

  // `json`: the client wants error pages as JSON.
  Response(http::Reply& reply, ResponseSink& sink, AppThread& thread, bool json)
      : reply_(reply), sink_(sink), thread_(thread), json_(json) {}

  // The functions of baton_host with these names (sdk/baton/abi.h).
  void set_status(int status);
  bool set_header(std::string_view name, std::string_view value, bool replace);
  [[nodiscard]] const std::string& refusal() const { return refusal_; }
  void set_error(int status, std::string_view detail);
  void set_body(std::string_view bytes);
  void write(std::string_view bytes);
  int send_file(const std::string& path);
  bool flush() { return hand_over(true) == ResponseSink::Streamed::kTaken; }
  int try_flush();
  bool client_gone();
  void fail(std::string_view reason);

  // Call on the handler's thread once it has returned. Brings the body to where it is going to be sent from.
  void finish();

  [[nodiscard]] Body body() const { return body_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  // Most bytes of a body in memory. The sink gets so many at a time.
  static constexpr std::size_t kMemoryBytes = std::size_t{256} * 1024;

  // client_gone() asks no more often than this, because the event thread has to look.
  static constexpr std::uint64_t kLookNs = 10'000'000;

  void store();
  ResponseSink::Streamed hand_over(bool wait);

  http::Reply& reply_;
  ResponseSink& sink_;
  AppThread& thread_;
  bool json_;
  Body body_ = Body::kMemory;
  std::uint64_t stored_ = 0;
  bool failed_ = false;
  bool gone_ = false;            // nothing can be sent to the client any more
  bool hung_up_ = false;         // the client has shut down its side
  std::uint64_t looked_ns_ = 0;  // when client_gone() last looked
  std::string reason_;           // why the handler has failed
  std::string refusal_;          // why set_header() has last refused a header
};

}  // namespace baton::app
