// One client of the campaign: it behaves in one way for as long as the campaign lasts, knows what it must get
// and in which order, and connects again when a connection is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "tests/campaign/channel.h"
#include "tests/campaign/response_reader.h"
#include "tests/campaign/tally.h"

namespace baton::survive {

constexpr std::uint64_t kHungNs = 10'000'000'000;  // far beyond anything that a recovery may take

enum class Manner : std::uint8_t {
  kKeepAlive,     // a GET, a pause, the next
  kPipelining,    // 1 to 20 requests at once
  kFastDownload,  // 4 MiB as fast as it comes
  kSlowDownload,  // 96 MiB, a little at a time
  kRanges,        // one range, or three
  kUpload,        // PUT in pieces, with a Content-Length
  kChunked,       // the same, chunked
  kIdle,          // a GET every few seconds
  kOneShot,       // a connection for each request
  kHalfHeads,     // a head that takes its time
  kReset,         // gives up in the middle, with a reset
  kPost,          // must not be handled twice
};

struct Target {
  bool plain = false;  // ask only for what needs no descriptor beside the connection's
  std::uint16_t port = 0;
  bool tls = false;    // on that port
  std::string socket;  // path of the Unix listener
};

class Actor {
 public:
  Actor(Manner manner, bool over_unix, const Target& target, Tally& tally, std::vector<float>& latencies_ms,
        std::uint64_t seed);

  // Does what is due; `epoll` is the set it is to be reported in, with `this` as data.
  void act(int epoll, std::uint64_t now);
  // The socket has something.
  void ready(int epoll, std::uint64_t now);
  [[nodiscard]] std::uint64_t due() const { return due_ns_; }

  // Begins nothing any more; done() once everything begun has ended and the connection is closed.
  void finish() { finishing_ = true; }
  [[nodiscard]] bool done() const { return finishing_ && !socket_; }

 private:
  void connect(int epoll);
  void begin(std::uint64_t now);
  void begin_get(std::uint64_t now);
  void begin_ranges(std::uint64_t now);
  void begin_upload(std::uint64_t now, bool chunked);
  void ask(std::uint64_t now, const std::string& method, Expected expected, const std::string& fields = "",
           const std::string& body = "");
  Expected some_file();
  void send_on(std::uint64_t now);
  void receive(std::uint64_t now);
  bool take(std::string_view bytes, std::uint64_t now);
  void answered(std::uint64_t now, bool failed);
  void lost(const char* how);
  void hang_up();
  void pause(std::uint64_t now, std::uint64_t least_ms, std::uint64_t most_ms);
  std::uint64_t any(std::uint64_t least, std::uint64_t most);
  [[nodiscard]] bool slow() const { return manner_ == Manner::kSlowDownload; }
  [[nodiscard]] Drop drop_kind() const;

  const Manner manner_;
  const bool over_unix_;
  const Target& target_;
  Tally& tally_;
  std::vector<float>& latencies_ms_;
  std::mt19937_64 random_;

  Channel socket_;
  std::deque<Expected> open_;       // requests whose response is not complete
  std::deque<std::string> pieces_;  // still to be sent, a pause between one and the next
  std::size_t piece_sent_ = 0;
  ResponseReader reader_;
  bool answered_once_ = false;  // on this connection
  bool last_asked_ = false;     // the server will close after the response
  bool finishing_ = false;
  std::uint64_t due_ns_ = 0;
  std::uint64_t progress_ns_ = 0;
  std::uint64_t reset_at_ns_ = 0;
};

}  // namespace baton::survive
