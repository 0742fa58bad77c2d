// Our record layer against that of OpenSSL's client.
#include "worker/tls/record.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/worker/tls/fixture.h"
#include "tests/worker/tls/sealer.h"
#include "worker/tls/key_schedule.h"

namespace baton::test {
namespace {

using tls::Alert;
using tls::RecordType;

struct Case {
  const char* name;
  int version;
  const char* cipher;
  TlsAead aead;
};

std::string text(std::size_t bytes, char first = 'a') {
  std::string made(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<char>(first + static_cast<char>(i % 23));
  return made;
}

class RecordTest : public TlsTest, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    ours_ = credentials();
    TlsClient::Options options;
    options.min_version = options.max_version = GetParam().version;
    (is_13() ? options.suites : options.ciphers) = GetParam().cipher;
    client_ = std::make_unique<TlsClient>(options);
    server_ = std::make_unique<ServerEnd>(*ours_);
    converse(*client_, *server_);
    ASSERT_EQ(server_->step(), Step::kDone);
    ASSERT_EQ(state().aead, GetParam().aead);
    reads_ = state().reading[0].sequence;
    writes_ = state().writing.sequence;
  }

  [[nodiscard]] static bool is_13() { return GetParam().version == TLS1_3_VERSION; }
  [[nodiscard]] TlsState& state() { return server_->state(); }

  std::string seal(RecordType type, std::string_view plain) {
    std::string record(plain.size() + tls::overhead(state()), '\0');
    EXPECT_EQ(layer_.seal(state(), write_generation_, writes_++, type, plain, record.data()), record.size());
    return record;
  }
  tls::RecordLayer::Opened open(std::string_view record) {
    opened_.assign(record.size(), '\0');
    const auto opened = layer_.open(state(), read_generation_, reads_, record, opened_.data());
    opened_.resize(opened.bytes);
    return opened;
  }
  // Opens all that the client has sent. Returns the application data; obeys KeyUpdates.
  std::string open_all() {
    std::string plain;
    tls::for_each_record(client_->take(), [&](const tls::RecordHeader&, std::string_view record) {
      const auto opened = open(record);
      EXPECT_TRUE(opened.ok);
      ++reads_;
      if (opened.type == RecordType::kApplicationData) plain += opened_;
      if (opened.type == RecordType::kHandshake) next_read_keys();
    });
    return plain;
  }
  void next_read_keys() {
    EXPECT_EQ(opened_.size(), 5U);
    tls::derive_next(state(), state().read_keys[read_generation_ & 1],
                     state().read_keys[(read_generation_ + 1) & 1]);
    ++read_generation_;
    reads_ = 0;
  }
  void next_write_keys() {
    tls::derive_next(state(), state().write_keys[write_generation_ & 1],
                     state().write_keys[(write_generation_ + 1) & 1]);
    ++write_generation_;
    writes_ = 0;
  }
  void expect_refused(std::string_view record, Alert alert) {
    const auto opened = open(record);
    EXPECT_FALSE(opened.ok);
    EXPECT_EQ(opened.alert, alert);
  }

  std::unique_ptr<tls::Credentials> ours_;
  std::unique_ptr<TlsClient> client_;
  std::unique_ptr<ServerEnd> server_;
  tls::RecordLayer layer_;
  std::uint64_t reads_ = 0, writes_ = 0;
  std::uint32_t read_generation_ = 0, write_generation_ = 0;
  std::string opened_;
};

INSTANTIATE_TEST_SUITE_P(
    Tls, RecordTest,
    ::testing::Values(
        Case{"V12Aes128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", TlsAead::kAes128Gcm},
        Case{"V12Aes256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", TlsAead::kAes256Gcm},
        Case{"V12ChaCha", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", TlsAead::kChaCha20Poly1305},
        Case{"V13Aes128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", TlsAead::kAes128Gcm},
        Case{"V13Aes256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", TlsAead::kAes256Gcm},
        Case{"V13ChaCha", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", TlsAead::kChaCha20Poly1305}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_P(RecordTest, CarriesDataOfEverySize) {
  for (const std::size_t bytes : {1U, 2U, 15U, 16U, 17U, 511U, 5'000U, 16'383U, 16'384U}) {
    const std::string plain = text(bytes);
    client_->give(seal(RecordType::kApplicationData, plain));
    ASSERT_EQ(client_->read(), plain) << client_->error();
    ASSERT_TRUE(client_->write(plain));
    ASSERT_EQ(open_all(), plain);
  }
}

TEST_P(RecordTest, TheSameRecordIsMadeAgain) {
  const std::string plain = text(3'000);
  const std::string once = seal(RecordType::kApplicationData, plain);
  --writes_;
  std::string again(once.size(), 'x');
  plain.copy(again.data() + tls::plain_offset(state()), plain.size());
  const std::string_view in_place(again.data() + tls::plain_offset(state()), plain.size());
  layer_.seal(state(), write_generation_, writes_, RecordType::kApplicationData, in_place, again.data());
  EXPECT_EQ(once, again);
  client_->give(again);
  EXPECT_EQ(client_->read(), plain);
}

TEST_P(RecordTest, ANumberOfRecordsInEachDirection) {
  std::string sent, received;
  for (int i = 0; i < 300; ++i) {
    const std::string plain = text(static_cast<std::size_t>(1 + i), static_cast<char>('A' + i % 26));
    client_->give(seal(RecordType::kApplicationData, plain));
    ASSERT_TRUE(client_->write(plain));
    sent += plain;
    received += open_all();
  }
  EXPECT_TRUE(client_->read() == sent) << client_->error();
  EXPECT_TRUE(received == sent);
}

TEST_P(RecordTest, TheExplicitNonceGoesOnFromThatOfTheHandshake) {
  if (is_13() || GetParam().aead == TlsAead::kChaCha20Poly1305) {
    EXPECT_EQ(tls::plain_offset(state()), 5U);
    EXPECT_EQ(state().explicit_base, 0U);
    return;
  }
  EXPECT_EQ(tls::plain_offset(state()), 13U);
  for (std::uint64_t i = 0; i < 3; ++i) {
    const std::string record = seal(RecordType::kApplicationData, "x");
    std::uint64_t nonce = 0;
    for (std::size_t at = 5; at < 13; ++at) nonce = nonce << 8 | static_cast<unsigned char>(record[at]);
    // Number 0 was OpenSSL's Finished.
    EXPECT_EQ(nonce, state().explicit_base + 1 + i);
  }
}

TEST_P(RecordTest, ACloseNotifyIsOne) {
  client_->give(seal(RecordType::kAlert, std::string_view("\1\0", 2)));
  EXPECT_EQ(client_->read(), "");
  EXPECT_EQ(client_->error(), "closed");
  ::SSL_shutdown(client_->ssl());
  const std::string record = client_->take();
  const auto opened = open(record);
  EXPECT_TRUE(opened.ok);
  EXPECT_EQ(opened.type, RecordType::kAlert);
  EXPECT_EQ(opened_, std::string("\1\0", 2));
}

TEST_P(RecordTest, KeysOfMoreGenerations) {
  if (!is_13()) return;  // 1.2 has no KeyUpdate
  constexpr std::string_view kKeyUpdate("\x18\0\0\1\0", 5);
  for (int round = 0; round < 5; ++round) {
    ASSERT_EQ(::SSL_key_update(client_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_TRUE(client_->write("behind the client's"));
    ASSERT_EQ(open_all(), "behind the client's");
    ASSERT_EQ(read_generation_, static_cast<std::uint32_t>(round + 1));
    client_->give(seal(RecordType::kApplicationData, "before ours,"));
    client_->give(seal(RecordType::kHandshake, kKeyUpdate));
    next_write_keys();
    client_->give(seal(RecordType::kApplicationData, "behind ours"));
    ASSERT_EQ(client_->read(), "before ours,behind ours") << client_->error();
  }
}

TEST_P(RecordTest, PaddingIsTakenAway) {
  if (!is_13()) return;
  Sealer sealer(state());
  for (const std::size_t padding : {1U, 2U, 100U, 16'384U - 7}) {
    const auto opened = open(sealer.record(RecordType::kApplicationData, "padded", padding));
    ASSERT_TRUE(opened.ok) << padding;
    EXPECT_EQ(opened.type, RecordType::kApplicationData);
    EXPECT_EQ(opened_, "padded");
    ++reads_;
  }
  const auto opened = open(sealer.record(RecordType::kAlert, "", 9));
  EXPECT_TRUE(opened.ok);
  EXPECT_EQ(opened.type, RecordType::kAlert);
  EXPECT_EQ(opened.bytes, 0U);
}

TEST_P(RecordTest, AnEmptyRecord) {
  Sealer sealer(state());
  const auto opened = open(sealer.data(""));
  EXPECT_TRUE(opened.ok);
  EXPECT_EQ(opened.type, RecordType::kApplicationData);
  EXPECT_EQ(opened.bytes, 0U);
}

// The header's length says where the record ends, so it is not among these.
TEST_P(RecordTest, AByteThatWasChangedAnywhereIsSeen) {
  ASSERT_TRUE(client_->write("a request"));
  const std::string record = client_->take();
  for (std::size_t i = 0; i < record.size(); ++i) {
    if (i == 3 || i == 4) continue;
    for (const unsigned flip : {1U, 0x80U}) {
      std::string changed = record;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
      SCOPED_TRACE(i);
      expect_refused(changed, i == 0 && is_13() ? Alert::kUnexpectedMessage : Alert::kBadRecordMac);
    }
  }
  EXPECT_TRUE(open(record).ok);
  EXPECT_EQ(opened_, "a request");
  ++reads_;
  expect_refused(record, Alert::kBadRecordMac);  // it comes a second time
  --reads_;
  ++read_generation_;
  expect_refused(record, Alert::kBadRecordMac);
}

TEST_P(RecordTest, ARecordThatIsCutIsRefused) {
  ASSERT_TRUE(client_->write("a request"));
  const std::string record = client_->take();
  for (std::size_t bytes = 5; bytes < record.size(); ++bytes) {
    std::string cut = record.substr(0, bytes);
    cut[3] = 0;
    cut[4] = static_cast<char>(bytes - 5);
    expect_refused(cut, Alert::kBadRecordMac);
  }
}

TEST_P(RecordTest, TooMuchPlaintextIsRefused) {
  Sealer sealer(state());
  EXPECT_TRUE(open(sealer.data(text(kTlsMaxPlain))).ok);
  ++reads_;
  expect_refused(sealer.data(text(kTlsMaxPlain + 1)), Alert::kRecordOverflow);
  if (!is_13()) return;
  ++reads_;
  expect_refused(sealer.record(RecordType::kApplicationData, "short", kTlsMaxPlain), Alert::kRecordOverflow);
}

TEST_P(RecordTest, WithoutATypeItIsRefused) {
  if (!is_13()) return;
  Sealer sealer(state());
  expect_refused(sealer.record(RecordType{0}, ""), Alert::kUnexpectedMessage);
  ++reads_;
  expect_refused(sealer.record(RecordType{0}, std::string(300, '\0')), Alert::kUnexpectedMessage);
}

TEST_P(RecordTest, AnotherTypeOutsideIsRefused) {
  if (!is_13()) return;
  for (const char type : {20, 21, 22, 24}) {
    expect_refused(std::string(1, type) + std::string("\3\3\0\1\1", 5), Alert::kUnexpectedMessage);
  }
}

}  // namespace
}  // namespace baton::test
