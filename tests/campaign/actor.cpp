#include "tests/campaign/actor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

#include "tests/campaign/site.h"

namespace baton::survive {

namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kNever = ~std::uint64_t{0};
constexpr std::size_t kReadBytes = std::size_t{256} * 1024;
constexpr std::size_t kSlowReadBytes = std::size_t{48} * 1024;
constexpr int kReadsPerTurn = 4;
constexpr std::uint64_t kPieceMs = 15;

std::atomic<std::uint64_t> last_post{0};

std::string chunk(std::size_t size) {
  char line[32];
  std::snprintf(line, sizeof line, "%zx\r\n", size);
  return line + std::string(size, 'c') + "\r\n";
}

}  // namespace

Actor::Actor(Manner manner, bool over_unix, const Target& target, Tally& tally,
             std::vector<float>& latencies_ms, std::uint64_t seed)
    : manner_(manner),
      over_unix_(over_unix),
      target_(target),
      tally_(tally),
      latencies_ms_(latencies_ms),
      random_(seed) {}

std::uint64_t Actor::any(std::uint64_t least, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
}

void Actor::pause(std::uint64_t now, std::uint64_t least_ms, std::uint64_t most_ms) {
  due_ns_ = now + any(least_ms * 1'000, most_ms * 1'000) * 1'000;
}

// -- connecting

void Actor::connect(int epoll) {
  sockaddr_in in{};
  sockaddr_un un{};
  UniqueFd socket(::socket(over_unix_ ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (slow()) {
    const int bytes = 64 * 1024;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  int result = 0;
  if (over_unix_) {
    un.sun_family = AF_UNIX;
    target_.socket.copy(un.sun_path, sizeof un.sun_path - 1);
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&un), sizeof un);
  } else {
    in.sin_family = AF_INET;
    in.sin_port = htons(target_.port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&in), sizeof in);
  }
  if (result != 0 && errno != EINPROGRESS) return;  // the backlog is full: tried again when next due
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket.get(), &event) != 0) return;
  socket_ = Channel(std::move(socket), target_.tls && !over_unix_);
  answered_once_ = last_asked_ = false;
  reader_.reset();
  ++tally_.connections;
}

void Actor::hang_up() {
  socket_.close();
  open_.clear();
  pieces_.clear();
  piece_sent_ = 0;
  reader_.reset();
  reset_at_ns_ = 0;
}

Drop Actor::drop_kind() const {
  if (open_.empty() && pieces_.empty()) return Drop::kIdle;
  if (!open_.empty() && !open_.front().idempotent) return Drop::kPosting;
  if (manner_ == Manner::kHalfHeads) return Drop::kHalfHead;
  if (!pieces_.empty() || manner_ == Manner::kUpload || manner_ == Manner::kChunked) return Drop::kUploading;
  if (!answered_once_ && !reader_.inside()) return Drop::kNew;
  if (manner_ == Manner::kPipelining) return Drop::kPipelining;
  if (manner_ == Manner::kFastDownload || slow() || manner_ == Manner::kRanges) return Drop::kDownloading;
  return Drop::kKeepAlive;
}

void Actor::lost(const char* how) {
  const Drop kind = drop_kind();
  std::string what =
      std::string(over_unix_ ? "unix: " : "") + how + ", " + kDropNames[static_cast<int>(kind)];
  if (!open_.empty()) what += ", waiting for " + open_.front().target;
  if (reader_.inside()) what += ", inside its response";
  if (manner_ != Manner::kReset) tally_.note(what);
  if (over_unix_) {
    ++(reader_.inside() ? tally_.unix_cut : tally_.unix_dropped);
  } else if (manner_ != Manner::kReset) {
    ++tally_.dropped[static_cast<int>(kind)];
    for (const Expected& expected : open_)
      ++(expected.idempotent ? tally_.failed_idempotent : tally_.failed_posts);
  }
  hang_up();
}

// -- asking

void Actor::ask(std::uint64_t now, const std::string& method, Expected expected, const std::string& fields,
                const std::string& body) {
  ++tally_.requests;
  std::string text = method + " " + expected.target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body;
  expected.asked_ns = now;
  open_.push_back(std::move(expected));
  if (pieces_.empty() || manner_ != Manner::kPipelining) {
    pieces_.push_back(std::move(text));
  } else {
    pieces_.back() += text;
  }
}

Expected Actor::some_file() {
  Expected expected;
  expected.body = Expected::Body::kPattern;
  const int last = Site::kSmallFiles + 3;
  const int index = target_.plain ? last : static_cast<int>(any(0, last));
  if (index < Site::kSmallFiles) {
    expected.target = "/files/small" + std::to_string(index);
    expected.length = Site::small_bytes(index);
  } else if (index == Site::kSmallFiles) {
    expected.target = "/files/medium";
    expected.length = Site::kMediumBytes;
  } else {
    expected = {};
    expected.target = "/hello";
  }
  return expected;
}

void Actor::begin_get(std::uint64_t now) {
  Expected expected = some_file();
  if (manner_ == Manner::kFastDownload || slow() || manner_ == Manner::kReset) {
    expected.body = Expected::Body::kPattern;
    expected.target = slow() ? "/files/huge" : "/files/large";
    expected.length = slow() ? Site::kHugeBytes : Site::kLargeBytes;
  }
  last_asked_ = manner_ == Manner::kOneShot && any(0, 1) == 0;
  ask(now, "GET", std::move(expected), last_asked_ ? "Connection: close\r\n" : "");
  if (manner_ == Manner::kReset) reset_at_ns_ = now + any(0, 20'000) * 1'000;
  if (manner_ != Manner::kHalfHeads) return;
  const std::string text = std::move(pieces_.back());
  pieces_.pop_back();
  for (std::size_t at = 0; at < text.size(); at += 11) pieces_.push_back(text.substr(at, 11));
}

void Actor::begin_ranges(std::uint64_t now) {
  Expected expected;
  expected.status = 206;
  expected.target = "/files/large";
  const std::uint64_t start = any(0, Site::kLargeBytes / 8);
  if (any(0, 1) == 0) {
    expected.body = Expected::Body::kPattern;
    expected.offset = start;
    expected.length = any(1, Site::kLargeBytes / 2);
    ask(now, "GET", expected, "Range: " + test::range_field({{start, start + expected.length - 1}}) + "\r\n");
    return;
  }
  expected.body = Expected::Body::kMultipart;
  expected.length = Site::kLargeBytes;
  constexpr std::uint64_t kApart = Site::kLargeBytes / 4;
  for (std::uint64_t i = 0; i < 3; ++i)
    expected.ranges.emplace_back(start + i * kApart, start + i * kApart + any(1, kApart / 2));
  const std::string field = "Range: " + test::range_field(expected.ranges) + "\r\n";
  ask(now, "GET", std::move(expected), field);
}

void Actor::begin_upload(std::uint64_t now, bool chunked) {
  Expected expected;
  expected.target = chunked ? "/hello?chunked" : "/hello?length";
  const auto pieces = static_cast<std::size_t>(any(1, 6));
  const auto bytes = static_cast<std::size_t>(any(10, 60'000));
  if (!chunked) {
    ask(now, "PUT", expected, "Content-Length: " + std::to_string(pieces * bytes) + "\r\n");
    for (std::size_t i = 0; i < pieces; ++i) pieces_.emplace_back(bytes, 'u');
    return;
  }
  ask(now, "PUT", expected, "Transfer-Encoding: chunked\r\n");
  std::string left;
  for (std::size_t i = 0; i < pieces; ++i) {
    // Cut anywhere, also within the line of a chunk.
    const std::string text = left + chunk(bytes);
    const auto cut = static_cast<std::size_t>(any(1, text.size()));
    pieces_.push_back(text.substr(0, cut));
    left = text.substr(cut);
  }
  pieces_.push_back(left + "0\r\n\r\n");
}

void Actor::begin(std::uint64_t now) {
  progress_ns_ = now;
  switch (manner_) {
    case Manner::kPipelining:
      for (std::uint64_t i = any(1, 20); i > 0; --i) ask(now, "GET", some_file());
      break;
    case Manner::kRanges: begin_ranges(now); break;
    case Manner::kUpload: begin_upload(now, false); break;
    case Manner::kChunked: begin_upload(now, true); break;
    case Manner::kPost: {
      Expected expected;
      expected.idempotent = false;
      expected.target = "/hello?post=" + std::to_string(++last_post);
      ask(now, "POST", expected, "Content-Length: 4\r\n", "body");
      break;
    }
    default: begin_get(now); break;
  }
  send_on(now);
}

// -- moving bytes

void Actor::send_on(std::uint64_t now) {
  while (socket_ && !pieces_.empty()) {
    const std::string& piece = pieces_.front();
    const ssize_t n = socket_.send(std::string_view(piece).substr(piece_sent_));
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;  // EPOLLOUT tells
    if (n < 0) return lost("a send failed");
    piece_sent_ += static_cast<std::size_t>(n);
    progress_ns_ = now;
    if (piece_sent_ < piece.size()) continue;
    pieces_.pop_front();
    piece_sent_ = 0;
    if (!pieces_.empty()) {
      due_ns_ = now + kPieceMs * kMs;
      return;
    }
  }
  due_ns_ = reset_at_ns_ != 0 ? reset_at_ns_ : now + (slow() ? 10 : 1'000) * kMs;
}

void Actor::answered(std::uint64_t now, bool failed) {
  const Expected& expected = open_.front();
  ++tally_.responses;
  if (failed) {
    ++(expected.idempotent ? tally_.failed_idempotent : tally_.failed_posts);
    tally_.note("5xx for " + expected.target);
  }
  if (manner_ == Manner::kKeepAlive && expected.body == Expected::Body::kHello)
    latencies_ms_.push_back(static_cast<float>(now - expected.asked_ns) / static_cast<float>(kMs));
  open_.pop_front();
  answered_once_ = true;
  if (!open_.empty()) return;
  if (manner_ == Manner::kOneShot && !last_asked_) hang_up();
  switch (manner_) {
    case Manner::kIdle: return pause(now, 1'000, 4'000);
    case Manner::kFastDownload: return pause(now, 300, 800);
    case Manner::kRanges: return pause(now, 200, 400);
    case Manner::kPipelining: return pause(now, 100, 300);
    case Manner::kOneShot: return pause(now, target_.plain ? 0 : 50, target_.plain ? 20 : 150);
    default: return pause(now, 20, 100);
  }
}

// False: the connection is gone.
bool Actor::take(std::string_view bytes, std::uint64_t now) {
  tally_.bytes_checked += bytes.size();
  progress_ns_ = now;
  while (!bytes.empty()) {
    if (open_.empty()) {
      ++tally_.corrupted;
      tally_.note("bytes that nobody asked for: " + std::string(bytes.substr(0, 60)));
      hang_up();
      return false;
    }
    switch (reader_.feed(bytes, open_.front())) {
      case ResponseReader::Result::kMore: break;
      case ResponseReader::Result::kComplete: answered(now, false); break;
      case ResponseReader::Result::kFailed: answered(now, true); break;
      case ResponseReader::Result::kCorrupt:
        ++tally_.corrupted;
        tally_.note("corrupted: " + reader_.why());
        hang_up();
        return false;
    }
    if (!socket_) return false;
  }
  return true;
}

void Actor::receive(std::uint64_t now) {
  static thread_local const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  const std::size_t most = slow() ? kSlowReadBytes : kReadBytes;
  for (int i = 0; i < (slow() ? 1 : kReadsPerTurn) && socket_; ++i) {
    const ssize_t n = socket_.receive(buffer.get(), most);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (n < 0) return lost(std::strerror(errno));
    if (n == 0 && last_asked_ && open_.empty()) return hang_up();
    if (n == 0) return lost("closed");
    if (!take({buffer.get(), static_cast<std::size_t>(n)}, now)) return;
  }
  // Edge-triggered: what is left is read in the next turn.
  if (socket_ && !slow() && !open_.empty()) due_ns_ = std::min(due_ns_, now);
}

void Actor::ready(int, std::uint64_t now) {
  const bool held_up = socket_.held_up();
  if (!slow() || held_up) receive(now);
  if (socket_ && !pieces_.empty() && (piece_sent_ > 0 || held_up)) send_on(now);
}

void Actor::act(int epoll, std::uint64_t now) {
  if (now < due_ns_) return;
  due_ns_ = now + 1'000 * kMs;
  if (!socket_) {
    if (finishing_) {
      due_ns_ = kNever;
      return;
    }
    connect(epoll);
    if (!socket_) return pause(now, 20, 40);
    return begin(now);
  }
  if (reset_at_ns_ != 0 && now >= reset_at_ns_) {
    const linger at_once{1, 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ++tally_.reset_by_us;
    hang_up();
    return pause(now, 100, 300);
  }
  if (open_.empty() && pieces_.empty()) {
    if (last_asked_) {  // for its end, which may have been seen by now
      receive(now);
    } else if (finishing_) {
      hang_up();
    } else {
      begin(now);
    }
    return;
  }
  if (!pieces_.empty()) send_on(now);
  if (socket_) receive(now);
  if (socket_ && slow() && !open_.empty()) due_ns_ = std::min(due_ns_, now + (finishing_ ? 0 : 10) * kMs);
  if (socket_ && now - progress_ns_ > kHungNs) {
    ++tally_.hung;
    std::string what = "hung";
    if (!open_.empty()) what += ", waiting for " + open_.front().target;
    if (reader_.inside()) what += ", inside its response";
    tally_.note(what + (pieces_.empty() ? "" : ", not all sent"));
    hang_up();
  }
}

}  // namespace baton::survive
