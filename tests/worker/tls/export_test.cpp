// That the exported keys and numbers are those of the connection: records by hand, against OpenSSL's client.
#include "worker/tls/export.h"

#include <openssl/evp.h>

#include <memory>

#include "tests/worker/tls/fixture.h"

namespace baton::test {
namespace {

struct Direction {
  const TlsState& state;
  const TlsKeys& keys;
  std::uint64_t sequence;
};

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

bool explicit_nonce(const TlsState& state) {
  return state.version == TlsVersion::kTls12 && state.aead != TlsAead::kChaCha20Poly1305;
}

// `explicit_part`: the 8 bytes of the nonce that the record has with 1.2 and GCM.
std::string nonce(const Direction& way, const std::string& explicit_part) {
  std::string made(reinterpret_cast<const char*>(way.keys.iv), 12);
  if (explicit_nonce(way.state)) return made.replace(4, 8, explicit_part);
  const std::string sequence = number(way.sequence, 8);
  for (std::size_t i = 0; i < 8; ++i) made[4 + i] = static_cast<char>(made[4 + i] ^ sequence[i]);
  return made;
}

std::string associated(const Direction& way, int type, std::size_t plain, std::size_t record) {
  if (way.state.version == TlsVersion::kTls13) return std::string("\x17\x03\x03") + number(record, 2);
  return number(way.sequence, 8) + static_cast<char>(type) + "\x03\x03" + number(plain, 2);
}

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// Returns the result and, when opening, nothing if the tag is wrong. `tag` is made or checked.
std::string crypt(const Direction& way, const std::string& nonce_bytes, std::string aad, std::string in,
                  std::string& tag, int encrypt) {
  const EVP_CIPHER* ciphers[] = {::EVP_aes_128_gcm(), ::EVP_aes_256_gcm(), ::EVP_chacha20_poly1305()};
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&::EVP_CIPHER_CTX_free)> context(::EVP_CIPHER_CTX_new(),
                                                                                  ::EVP_CIPHER_CTX_free);
  std::string out = in;
  std::string iv = nonce_bytes;
  int size = 0;
  ::EVP_CipherInit_ex2(context.get(), ciphers[static_cast<int>(way.state.aead)], way.keys.key, bytes_of(iv),
                       encrypt, nullptr);
  ::EVP_CipherUpdate(context.get(), nullptr, &size, bytes_of(aad), static_cast<int>(aad.size()));
  ::EVP_CipherUpdate(context.get(), bytes_of(out), &size, bytes_of(in), static_cast<int>(in.size()));
  if (encrypt == 0) ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data());
  const bool ok = ::EVP_CipherFinal_ex(context.get(), bytes_of(out) + size, &size) == 1;
  if (encrypt != 0) ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag.data());
  return ok ? out : "cannot be opened";
}

std::string seal(const Direction& way, const std::string& plain) {
  const bool inner = way.state.version == TlsVersion::kTls13;
  const std::string body = inner ? plain + '\x17' : plain;
  const std::string explicit_part =
      explicit_nonce(way.state) ? number(way.state.explicit_base + way.sequence, 8) : std::string{};
  const std::size_t record = explicit_part.size() + body.size() + 16;
  std::string tag(16, '\0');
  const std::string coded =
      crypt(way, nonce(way, explicit_part), associated(way, 23, plain.size(), record), body, tag, 1);
  return std::string("\x17\x03\x03") + number(record, 2) + explicit_part + coded + tag;
}

std::string open(const Direction& way, const std::string& record) {
  const std::size_t at = explicit_nonce(way.state) ? 13 : 5;
  const std::string coded = record.substr(at, record.size() - at - 16);
  std::string tag = record.substr(record.size() - 16);
  const std::string aad = associated(way, 23, coded.size(), record.size() - 5);
  std::string plain = crypt(way, nonce(way, record.substr(5, 8)), aad, coded, tag, 0);
  if (way.state.version == TlsVersion::kTls13 && plain.ends_with('\x17')) plain.pop_back();
  return plain;
}

struct Case {
  const char* name;
  int version;
  const char* cipher;
};

class ExportTest : public TlsTest, public ::testing::WithParamInterface<Case> {
 protected:
  [[nodiscard]] TlsClient::Options options() const {
    TlsClient::Options made;
    made.min_version = made.max_version = GetParam().version;
    (GetParam().version == TLS1_3_VERSION ? made.suites : made.ciphers) = GetParam().cipher;
    return made;
  }
  // Two records in each direction, the client's tickets aside.
  static void expect_carries_data(TlsClient& client, ServerEnd& server) {
    ASSERT_EQ(server.step(), Step::kDone) << server.handshake().reason();
    ASSERT_EQ(client.state(), TlsClient::State::kOpen) << client.error();
    const TlsState& state = server.state();
    for (std::uint64_t i = 0; i < 2; ++i) {
      const std::string request = "request " + std::to_string(i);
      ASSERT_TRUE(client.write(request)) << client.error();
      EXPECT_EQ(open({state, state.read_keys[0], state.reading[0].sequence + i}, client.take()), request);
      const std::string response = "response " + std::to_string(i);
      client.give(seal({state, state.write_keys[0], state.writing.sequence + i}, response));
      EXPECT_EQ(client.read(), response) << client.error();
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Tls, ExportTest,
                         ::testing::Values(Case{"V12Aes128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
                                           Case{"V12Aes256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
                                           Case{"V12ChaCha", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"},
                                           Case{"V13Aes128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                                           Case{"V13Aes256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
                                           Case{"V13ChaCha", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"}),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(ExportTest, AfterAFullHandshake) {
  const auto ours = credentials();
  TlsClient client(options());
  ServerEnd server(*ours);
  converse(client, server);
  expect_carries_data(client, server);
}

TEST_P(ExportTest, AfterAResumedHandshake) {
  const auto ours = credentials();
  TlsClient first(options());
  ServerEnd before(*ours);
  converse(first, before);
  first.read();
  auto resuming = options();
  resuming.session = first.session();
  if (GetParam().version == TLS1_3_VERSION) resuming.session = first.sessions().back();
  TlsClient client(resuming);
  ServerEnd server(*ours, 2);
  converse(client, server);
  EXPECT_TRUE(client.resumed());
  expect_carries_data(client, server);
}

TEST_P(ExportTest, WithoutTickets) {
  config_.tls.session_tickets = false;
  const auto ours = credentials();
  TlsClient client(options());
  ServerEnd server(*ours);
  converse(client, server);
  expect_carries_data(client, server);
}

TEST_P(ExportTest, WithAClientCertificateAndSmallRecords) {
  const TestCa people("people");
  config_.sites[0].client_ca = dir_.write("people.pem", people.pem());
  config_.sites[0].client_auth = SiteConfig::ClientAuth::kRequire;
  const auto ours = credentials();
  auto with = with_certificate(people, "Ada");
  with.min_version = with.max_version = GetParam().version;
  with.ciphers = options().ciphers;
  with.suites = options().suites;
  with.max_fragment = TLSEXT_max_fragment_length_512;
  TlsClient client(with);
  ServerEnd server(*ours);
  converse(client, server);
  expect_carries_data(client, server);
  if (GetParam().version == TLS1_3_VERSION) {
    // The tickets have the client's certificate in them, and each takes several records.
    EXPECT_GT(server.state().writing.sequence, 2U);
  }
}

TEST_P(ExportTest, AfterAHelloRetryRequest) {
  const auto ours = credentials();
  auto with = options();
  with.groups = "P-521:P-256";
  TlsClient client(with);
  ServerEnd server(*ours);
  converse(client, server);
  expect_carries_data(client, server);
}

TEST_P(ExportTest, AfterAReplay) {
  const auto ours = credentials();
  TlsClient client(options());
  ServerEnd server(*ours);
  converse(client, server);
  TlsState state = server.moments().back().state;
  state.written = 1;
  const auto next = credentials();
  tls::Handshake again(*next, state);
  ASSERT_EQ(again.advance(server.client_bytes()), Step::kDone);
  ASSERT_TRUE(client.write("request"));
  EXPECT_EQ(open({state, state.read_keys[0], state.reading[0].sequence}, client.take()), "request");
}

}  // namespace
}  // namespace baton::test
