// Reading from a real socket what OpenSSL's client, or a client that breaks the rules, has sent.
#include "worker/connection/tls_reader.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "tests/worker/connection/tls_pair.h"
#include "tests/worker/tls/fixture.h"
#include "tests/worker/tls/sealer.h"
#include "worker/connection/transport.h"
#include "worker/tls/record_stream.h"

namespace baton::test {
namespace {

using tls::RecordType;

std::string text(std::size_t bytes, std::size_t salt = 0) {
  std::string made(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<char>((i + salt) * 31 % 251);
  return made;
}

class TlsReaderTest : public TlsTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    ours_ = credentials();
    connect();
  }

  void connect() {
    connection_.reset();
    TlsPair::Options options;
    options.version = GetParam();
    connection_ = std::make_unique<TlsPair>(*ours_, options);
    slot_ = std::make_unique<Slot>();
    slot_->socket = SocketKind::kTls;
    sealer_ = std::make_unique<Sealer>(connection_->state());
    another_worker();
  }
  [[nodiscard]] static bool is_13() { return GetParam() == TLS1_3_VERSION; }
  [[nodiscard]] TlsPair& pair() const { return *connection_; }
  [[nodiscard]] TlsState& state() const { return connection_->state(); }
  [[nodiscard]] TlsReader& reader() { return *reader_; }

  void another_worker() {
    reader_.reset();
    writer_.reset();
    layer_.emplace();
    writer_.emplace(*layer_);
    reader_.emplace(*layer_, *writer_);
  }
  // Its worker dies before it has noted what it moved. Returns what the master finds out.
  std::optional<StreamCounts> die() {
    state().taken -= std::min<std::uint64_t>(state().taken, 7);
    another_worker();
    return Transport(pair().fd(), *slot_).counts();
  }

  // What a peek returns, and the data in `peeked_`.
  ssize_t peek() {
    static char buffer[80 * 1024];
    errno = 0;
    const ssize_t n = reader().peek(pair().fd(), *slot_, state(), buffer, sizeof buffer);
    peeked_.assign(buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    return n;
  }
  [[nodiscard]] bool consume(std::uint64_t bytes) { return reader().consume(pair().fd(), state(), bytes); }
  void expect_nothing() {
    EXPECT_EQ(peek(), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(slot_->phase, Phase::kHead);
  }
  void expect_data(std::string_view data) {
    EXPECT_EQ(peek(), static_cast<ssize_t>(data.size()));
    EXPECT_EQ(peeked_, data);
  }
  // The connection ends, and the client is told why, in OpenSSL's words.
  void expect_refused(const std::string& records, const std::string& reason) {
    SCOPED_TRACE(reason);
    pair().queue(records);
    pair().push();
    EXPECT_EQ(peek(), -1);
    EXPECT_EQ(errno, EPROTO);
    EXPECT_EQ(slot_->phase, Phase::kLingering);
    Transport(pair().fd(), *slot_).end_stream();
    pair().receive();
    EXPECT_NE(pair().client().error().find(reason), std::string::npos) << pair().client().error();
    connect();
  }
  [[nodiscard]] bool readable() const {
    pollfd socket{pair().fd(), POLLIN, 0};
    return ::poll(&socket, 1, 0) == 1;
  }
  [[nodiscard]] int mark() const {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(pair().fd(), SOL_SOCKET, SO_RCVLOWAT, &value, &size);
    return value;
  }

  std::unique_ptr<tls::Credentials> ours_;
  std::unique_ptr<TlsPair> connection_;
  std::unique_ptr<Slot> slot_;
  std::unique_ptr<Sealer> sealer_;
  std::optional<tls::RecordLayer> layer_;
  std::optional<TlsWriter> writer_;
  std::optional<TlsReader> reader_;
  std::string peeked_;
};

INSTANTIATE_TEST_SUITE_P(Tls, TlsReaderTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& param) {
                           return param.param == TLS1_3_VERSION ? std::string("V13") : std::string("V12");
                         });

// Records of all sizes arrive in pieces of all sizes, are taken in parts of all sizes, and workers die in between.
TEST_P(TlsReaderTest, EveryByteInAnySplit) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    connect();
    std::mt19937 random(seed);
    const auto below = [&random](std::size_t n) { return random() % n; };
    std::string sent;
    std::size_t consumed = 0;
    for (int step = 0; step < 250; ++step) {
      if (below(3) == 0 && sent.size() < 120'000) {
        const std::size_t bytes = 1 + below(below(4) == 0 ? 16'384 : 300);
        sent += text(bytes, sent.size());
        if (is_13() && below(8) == 0)
          ::SSL_key_update(pair().client().ssl(),
                           below(2) == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        pair().write(std::string_view(sent).substr(sent.size() - bytes));
      }
      pair().push(below(4) == 0 ? 1 + below(30) : below(20'000));
      const ssize_t n = peek();
      if (n < 0) {
        ASSERT_EQ(errno, EAGAIN);
        if (below(2) == 0) {
          ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
        }
      } else {
        ASSERT_GT(n, 0);
        ASSERT_EQ(peeked_, sent.substr(consumed, peeked_.size()));
        std::size_t part = below(3) == 0 ? peeked_.size() : below(peeked_.size() + 1);
        ASSERT_TRUE(consume(part));
        consumed += part;
        if (below(3) == 0) {  // what is left of the same peek
          part = below(peeked_.size() - part + 1);
          ASSERT_TRUE(consume(part));
          consumed += part;
        }
      }
      if (below(4) == 0) {
        const auto counts = die();
        ASSERT_TRUE(counts.has_value());
        ASSERT_EQ(counts->consumed, consumed);
      }
    }
    pair().push();
    while (consumed < sent.size()) {
      ASSERT_GT(peek(), 0) << consumed << " of " << sent.size();
      ASSERT_EQ(peeked_, sent.substr(consumed, peeked_.size()));
      ASSERT_TRUE(consume(peeked_.size()));
      consumed += peeked_.size();
    }
    expect_nothing();
  }
}

TEST_P(TlsReaderTest, MoreThanWasPeekedCannotBeConsumed) {
  pair().write("12345");
  pair().push();
  expect_data("12345");
  EXPECT_EQ(reader().after(6).at, TlsReading::kNowhere);
  EXPECT_FALSE(consume(6));
  EXPECT_TRUE(consume(5));
  EXPECT_FALSE(consume(1));
  expect_nothing();
}

TEST_P(TlsReaderTest, AnIncompleteRecordWakesNobody) {
  const std::string data = text(5'000);
  pair().write(data);
  const std::size_t bytes = pair().queued();
  pair().push(3);
  expect_nothing();
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  EXPECT_EQ(mark(), 5) << "the header";
  EXPECT_FALSE(readable());
  pair().push(2);
  EXPECT_TRUE(readable());
  expect_nothing();
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  EXPECT_EQ(mark(), static_cast<int>(bytes));
  pair().push(bytes - 6);
  EXPECT_FALSE(readable());
  pair().push();
  EXPECT_TRUE(readable());
  expect_data(data);
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  EXPECT_EQ(mark(), 1) << "data is left";
  ASSERT_TRUE(consume(data.size()));
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  EXPECT_EQ(mark(), 1);
}

// Woken below the mark, again and again: the client's window is shut. The record goes to a file piece by piece.
TEST_P(TlsReaderTest, AnIncompleteRecordMakesRoomInTheSocket) {
  const std::string data = text(9'000);
  pair().write("before");
  pair().push();
  expect_data("before");
  ASSERT_TRUE(consume(6));
  pair().write(data);
  pair().write("behind");
  while (pair().queued() > 1'000) {
    pair().push(700);
    const std::uint64_t taken = state().taken;
    expect_nothing();
    EXPECT_TRUE(reader().record_begun(state()));
    ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
    EXPECT_GT(mark(), 1);
    if (state().low_water > 5'000) continue;
    const auto counts = die();
    ASSERT_TRUE(counts.has_value());
    EXPECT_EQ(counts->consumed, 6U);
    EXPECT_GE(state().taken, taken);
  }
  EXPECT_GE(state().cipher_fd, 0);
  pair().push();
  expect_data(data + "behind");
  ASSERT_TRUE(consume(100));
  EXPECT_GE(state().cipher_fd, 0) << "the record is still needed";
  const auto counts = die();
  ASSERT_TRUE(counts.has_value());
  EXPECT_EQ(counts->consumed, 106U);
  expect_data((data + "behind").substr(100));
  ASSERT_TRUE(consume(data.size() - 100));
  EXPECT_EQ(state().cipher_fd, -1);
  expect_data("behind");
}

TEST_P(TlsReaderTest, EmptyRecordsArePassedOver) {
  for (int i = 0; i < 40; ++i) pair().queue(sealer_->data(""));
  pair().queue(sealer_->data("data"));
  pair().queue(sealer_->data(""));
  pair().push();
  expect_data("data");
  ASSERT_TRUE(consume(0));
  expect_data("data");
  ASSERT_TRUE(consume(4));
  expect_nothing();
  EXPECT_EQ(state().taken, reader().after(0).at);
}

// A client must not keep a worker busy with what is no data.
TEST_P(TlsReaderTest, AFloodOfRecordsWithoutDataEndsThePeek) {
  std::string flood;
  if (is_13()) {
    for (int i = 0; i < 40; ++i) flood += sealer_->key_update(false);
  } else {
    constexpr char kWarning[] = {1, 90};
    for (int i = 0; i < 40; ++i) flood += sealer_->record(RecordType::kAlert, {kWarning, 2});
  }
  const std::size_t bytes = flood.size();
  pair().queue(flood);
  pair().queue(sealer_->data("data"));
  pair().push();
  expect_nothing();
  EXPECT_GT(state().taken, 0U);
  EXPECT_LT(state().taken, bytes);
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  EXPECT_TRUE(readable());
  expect_nothing();
  expect_data("data");
}

TEST_P(TlsReaderTest, CloseNotifyIsTheEnd) {
  pair().write("data");
  ::SSL_shutdown(pair().client().ssl());
  pair().queue(pair().client().take());
  pair().push();
  expect_data("data");
  ASSERT_TRUE(consume(4));
  EXPECT_EQ(peek(), 0);
  another_worker();
  EXPECT_EQ(peek(), 0);
}

TEST_P(TlsReaderTest, TheEndOfTheSocketIsTheEnd) {
  pair().write("data");
  pair().write("cut");
  pair().push(pair().queued() - 1);
  pair().end();
  expect_data("data");
  ASSERT_TRUE(consume(4));
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  for (int i = 0; i < 3 && peek() < 0; ++i) {
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
    EXPECT_TRUE(readable());
  }
  EXPECT_EQ(peek(), 0);
}

TEST_P(TlsReaderTest, AFatalAlertIsTheEnd) {
  pair().queue(sealer_->data("data"));
  constexpr char kInternalError[] = {2, 80};
  pair().queue(sealer_->record(RecordType::kAlert, {kInternalError, 2}));
  pair().push();
  expect_data("data");
  ASSERT_TRUE(consume(4));
  EXPECT_EQ(peek(), -1);
  EXPECT_EQ(errno, EPROTO);
}

TEST_P(TlsReaderTest, UserCanceledIsPassedOver) {
  constexpr char kUserCanceled[] = {1, 90};
  pair().queue(sealer_->record(RecordType::kAlert, {kUserCanceled, 2}));
  pair().queue(sealer_->data("data"));
  pair().push();
  expect_data("data");
}

TEST_P(TlsReaderTest, AKeyUpdateInAnyPieces) {
  if (!is_13()) return;
  std::string expected;
  for (const std::size_t piece : {5U, 4U, 3U, 2U, 1U}) {
    for (const bool wants_ours : {false, true}) {
      pair().queue(sealer_->data("before"));
      pair().queue(sealer_->key_update(wants_ours, piece));
      pair().queue(sealer_->data("behind"));
      expected += "beforebehind";
    }
  }
  std::string data;
  while (pair().queued() > 0) {
    pair().push(11);
    const ssize_t n = peek();
    if (n < 0) {
      ASSERT_EQ(errno, EAGAIN);
      ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
      continue;
    }
    ASSERT_TRUE(consume(peeked_.size()));
    data += peeked_;
    const auto counts = die();
    ASSERT_TRUE(counts.has_value());
    ASSERT_EQ(counts->consumed, data.size());
  }
  if (peek() > 0) data += peeked_;
  EXPECT_EQ(data, expected);
  EXPECT_EQ(state().key_update_wanted, 1);
  EXPECT_EQ(tls::reading_now(state()).generation, 10U);
}

// It wakes a worker by what is missing of it, not over and over.
TEST_P(TlsReaderTest, AnIncompleteKeyUpdateWaits) {
  if (!is_13()) return;
  const std::string records = sealer_->key_update(true, 1);
  const std::size_t one = records.size() / 5;
  pair().queue(records);
  pair().push(3 * one);
  expect_nothing();
  EXPECT_EQ(state().taken, 0U);
  ASSERT_TRUE(reader().arm_low_water(pair().fd(), state()));
  EXPECT_FALSE(readable());
  EXPECT_EQ(state().key_update_wanted, 0);
  pair().push();
  EXPECT_TRUE(readable());
  expect_nothing();
  EXPECT_EQ(state().key_update_wanted, 1);
  EXPECT_EQ(tls::reading_now(state()).generation, 1U);
}

TEST_P(TlsReaderTest, WhatIsRefused) {
  std::string tampered = sealer_->data("data");
  tampered.back() = static_cast<char>(tampered.back() ^ 1);
  expect_refused(tampered, "bad record mac");
  expect_refused(std::string("\x17\3\3\x7f\xff", 5), "record overflow");
  expect_refused(sealer_->data(text(kTlsMaxPlain + 1)), "record overflow");
  expect_refused(sealer_->record(RecordType::kChangeCipherSpec, "\1"), "unexpected message");
  expect_refused(sealer_->record(RecordType::kAlert, ""), "unexpected message");
  expect_refused(sealer_->record(RecordType::kAlert, "123"), "decode error");
  if (!is_13()) {
    // A ClientHello: a client that wants to negotiate again.
    expect_refused(sealer_->record(RecordType::kHandshake, std::string("\1\0\0\0", 4)), "no renegotiation");
    return;
  }
  expect_refused(std::string("\x14\3\3\0\1\1", 6), "unexpected message");
  expect_refused(sealer_->record(RecordType::kHandshake, std::string("\1\0\0\0", 4)), "unexpected message");
  expect_refused(sealer_->record(RecordType::kHandshake, ""), "unexpected message");
  expect_refused(sealer_->record(RecordType::kHandshake, std::string("\x18\0\0\1\2", 5)),
                 "illegal parameter");
  expect_refused(sealer_->record(RecordType::kHandshake, std::string("\x18\0\0\2\0\0", 6)),
                 "unexpected message");
  expect_refused(sealer_->record(RecordType::kHandshake, std::string("\x18\0\0\2\0", 5)), "decode error");
  const std::string begun = sealer_->record(RecordType::kHandshake, "\x18");
  expect_refused(begun + sealer_->data("between"), "unexpected message");
}

// The data before a bad record is good.
TEST_P(TlsReaderTest, WhatComesBeforeABadRecordIsRead) {
  pair().queue(sealer_->data("good"));
  pair().queue(std::string("\x17\3\3\0\x30", 5) + std::string(0x30, 'x'));
  pair().push();
  expect_data("good");
  EXPECT_EQ(slot_->phase, Phase::kHead);
  ASSERT_TRUE(consume(4));
  EXPECT_EQ(peek(), -1);
  EXPECT_EQ(slot_->phase, Phase::kLingering);
}

}  // namespace
}  // namespace baton::test
