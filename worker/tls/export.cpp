#include "worker/tls/export.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "worker/tls/key_schedule.h"
#include "worker/tls/record_header.h"

namespace baton::tls {

namespace {

bool export_suite(const SSL_CIPHER* cipher, TlsState& state) {
  switch (::SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm: state.aead = TlsAead::kAes128Gcm; break;
    case NID_aes_256_gcm: state.aead = TlsAead::kAes256Gcm; break;
    case NID_chacha20_poly1305: state.aead = TlsAead::kChaCha20Poly1305; break;
    default: return false;
  }
  state.suite = ::SSL_CIPHER_get_protocol_id(cipher);
  state.hash_bytes = static_cast<std::uint8_t>(EVP_MD_get_size(::SSL_CIPHER_get_handshake_digest(cipher)));
  return state.hash_bytes == 32 || state.hash_bytes == 48;
}

char* digest_of(const TlsState& state) {
  static char sha256[] = "SHA256";
  static char sha384[] = "SHA384";
  return state.hash_bytes == 48 ? sha384 : sha256;
}

OSSL_PARAM octets(const char* name, std::string_view bytes) {
  return ::OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()),
                                             bytes.size());  // only read
}

std::string_view view(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool derive(const char* kdf_name, std::span<const OSSL_PARAM> params, std::span<std::uint8_t> out) {
  const KdfPtr kdf(::EVP_KDF_fetch(nullptr, kdf_name, nullptr));
  const KdfContextPtr context(::EVP_KDF_CTX_new(kdf.get()));
  return context && ::EVP_KDF_derive(context.get(), out.data(), out.size(), params.data()) == 1;
}

bool export_keys13(const TlsState& state, std::span<const std::uint8_t> secret, TlsKeys& keys) {
  if (secret.size() != state.hash_bytes) return false;
  std::copy(secret.begin(), secret.end(), keys.secret);
  derive_keys(state, keys);
  return true;
}

// The key block of RFC 5246 6.3: both keys, then both IVs, the client's first.
bool export_keys12(SSL* ssl, TlsState& state) {
  std::array<std::uint8_t, SSL_MAX_MASTER_KEY_LENGTH> master{};
  std::array<std::uint8_t, std::size_t{2} * SSL3_RANDOM_SIZE> randoms{};
  const std::size_t master_size =
      ::SSL_SESSION_get_master_key(::SSL_get_session(ssl), master.data(), master.size());
  ::SSL_get_server_random(ssl, randoms.data(), SSL3_RANDOM_SIZE);
  ::SSL_get_client_random(ssl, randoms.data() + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
  const std::size_t key = key_bytes(state.aead);
  const std::size_t iv = state.aead == TlsAead::kChaCha20Poly1305 ? 12 : 4;
  std::array<std::uint8_t, std::size_t{2} * (32 + 12)> block{};
  const std::array<OSSL_PARAM, 5> params{
      ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_of(state), 0),
      octets(OSSL_KDF_PARAM_SECRET, view(std::span(master).first(master_size))),
      octets(OSSL_KDF_PARAM_SEED, TLS_MD_KEY_EXPANSION_CONST), octets(OSSL_KDF_PARAM_SEED, view(randoms)),
      ::OSSL_PARAM_construct_end()};
  const bool derived = derive("TLS1-PRF", params, std::span(block).first(2 * (key + iv)));
  if (derived) {
    std::memcpy(state.read_keys[0].key, block.data(), key);
    std::memcpy(state.write_keys[0].key, block.data() + key, key);
    std::memcpy(state.read_keys[0].iv, block.data() + 2 * key, iv);
    std::memcpy(state.write_keys[0].iv, block.data() + 2 * key + iv, iv);
  }
  ::OPENSSL_cleanse(master.data(), master.size());
  ::OPENSSL_cleanse(block.data(), block.size());
  return derived;
}

// With 1.2, records count from the ChangeCipherSpec on.
struct Encrypted12 {
  std::uint64_t records = 0;
  std::uint64_t first_nonce = 0;  // the explicit one of GCM
};

Encrypted12 encrypted12(std::string_view bytes) {
  Encrypted12 found;
  bool encrypted = false;
  for_each_record(bytes, [&](const RecordHeader& header, std::string_view record) {
    if (header.type == RecordType::kChangeCipherSpec) {
      encrypted = true;
      return;
    }
    if (encrypted && found.records++ == 0) {
      for (std::size_t i = 0; i < 8 && kRecordHeaderBytes + i < record.size(); ++i) {
        found.first_nonce =
            found.first_nonce << 8 | static_cast<std::uint8_t>(record[kRecordHeaderBytes + i]);
      }
    }
  });
  return found;
}

std::uint16_t max_plain(SSL* ssl) {
  const std::uint8_t mode = ::SSL_SESSION_get_max_fragment_length(::SSL_get_session(ssl));
  const bool limited = mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096;
  return static_cast<std::uint16_t>(limited ? 256U << mode : kTlsMaxPlain);
}

}  // namespace

bool export_state(SSL* ssl, const Conversation& conversation, const Transcript& transcript, TlsState& state) {
  if (!export_suite(::SSL_get_current_cipher(ssl), state)) return false;
  state.resumed = ::SSL_session_reused(ssl) != 0;
  state.max_plain = max_plain(ssl);
  state.explicit_base = 0;
  state.reading[0] = TlsReading{.at = transcript.client.size()};
  state.reading[1] = TlsReading{};
  state.writing = TlsWriting{};
  state.writing.at = transcript.server.size();
  if (::SSL_version(ssl) == TLS1_3_VERSION) {
    state.version = TlsVersion::kTls13;
    // After the client's Finished there are only session tickets, and their keys are those of application data.
    for_each_record(transcript.last_flight,
                    [&](const RecordHeader&, std::string_view) { ++state.writing.sequence; });
    return export_keys13(state, conversation.client_secret, state.read_keys[0]) &&
           export_keys13(state, conversation.server_secret, state.write_keys[0]);
  }
  state.version = TlsVersion::kTls12;
  const Encrypted12 written = encrypted12(transcript.server);
  state.reading[0].sequence = encrypted12(transcript.client).records;
  state.writing.sequence = written.records;
  if (state.aead != TlsAead::kChaCha20Poly1305) state.explicit_base = written.first_nonce;
  return export_keys12(ssl, state);
}

}  // namespace baton::tls
