// The response that a handler is making: what is behind the ABI's baton_response.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/http/reply.h"
#include "sdk/baton/abi.h"
#include "worker/app/app_thread.h"

namespace baton::app {

// What a response in the making needs of the server. Called on the event thread.
class ResponseSink {
 public:
  // Opens the regular file for the reply. Returns 0 or errno.
  virtual int open_file(const std::string& path) = 0;
  // Adds to a body that has become too large for memory. False: there is no room for it.
  virtual bool store(std::string_view bytes) = 0;
  virtual void discard_stored() = 0;
  // Sends a part of the body, as much as the client takes now; before the first one the head, and what has
  // been stored. Where too much is left over it waits, with `wait`, until the client has taken enough;
  // without, it takes nothing and says kFull.
  enum class Streamed : std::uint8_t { kTaken, kFull, kGone };
  virtual Streamed stream(std::string_view bytes, bool wait) = 0;
  // Whether the client has closed its side of the connection.
  virtual bool hung_up() = 0;

 protected:
  ~ResponseSink() = default;
};

// Lives for one call of a handler. Its members are for the app thread while the handler runs, and for the
// event thread afterwards.
class Response {
 public:
  enum class Body : std::uint8_t {
    kMemory,    // reply().text
    kStored,    // the sink has all of it
    kFile,      // the sink has opened it
    kStreamed,  // all but reply().text has been handed over
  };

  // `json`: what the client wants an error page to be.
  Response(http::Reply& reply, ResponseSink& sink, AppThread& thread, bool json)
      : reply_(reply), sink_(sink), thread_(thread), json_(json) {}

  // As baton_host has them.
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

  // Once the handler has returned, on its thread: brings the body to where it is going to be sent from.
  void finish();

  [[nodiscard]] Body body() const { return body_; }
  [[nodiscard]] std::uint64_t stored() const { return stored_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  // As much of a body is kept in memory; it is what the sink takes at a time.
  static constexpr std::size_t kMemoryBytes = std::size_t{256} * 1024;

  // How often it is asked whether the client has hung up: the event thread has to be asked.
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
  bool gone_ = false;  // the client: nothing can be sent any more
  bool hung_up_ = false;
  std::uint64_t looked_ns_ = 0;  // whether it has
  std::string reason_;
  std::string refusal_;  // why the last header that was refused was
};

}  // namespace baton::app
