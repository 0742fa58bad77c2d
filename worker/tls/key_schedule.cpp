#include "worker/tls/key_schedule.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace baton::tls {

namespace {

// HKDF-Expand-Label without a context. The output is no longer than one block of the hash, so one HMAC does.
void expand_label(const TlsState& state, const std::uint8_t* secret, std::string_view label,
                  std::uint8_t* out, std::size_t bytes) {
  constexpr std::string_view kPrefix = "tls13 ";
  std::uint8_t info[64];
  std::size_t n = 0;
  info[n++] = 0;
  info[n++] = static_cast<std::uint8_t>(bytes);
  info[n++] = static_cast<std::uint8_t>(kPrefix.size() + label.size());
  n += kPrefix.copy(reinterpret_cast<char*>(info + n), kPrefix.size());
  n += label.copy(reinterpret_cast<char*>(info + n), label.size());
  info[n++] = 0;  // no context
  info[n++] = 1;  // the first block of HKDF-Expand
  std::uint8_t block[EVP_MAX_MD_SIZE];
  ::HMAC(state.hash_bytes == 48 ? ::EVP_sha384() : ::EVP_sha256(), secret, state.hash_bytes, info, n, block,
         nullptr);
  std::copy_n(block, bytes, out);
  ::explicit_bzero(block, sizeof block);
}

}  // namespace

std::size_t key_bytes(TlsAead aead) {
  return aead == TlsAead::kAes128Gcm ? 16 : 32;
}

void derive_keys(const TlsState& state, TlsKeys& keys) {
  expand_label(state, keys.secret, "key", keys.key, key_bytes(state.aead));
  expand_label(state, keys.secret, "iv", keys.iv, sizeof keys.iv);
}

void derive_next(const TlsState& state, const TlsKeys& keys, TlsKeys& next) {
  expand_label(state, keys.secret, "traffic upd", next.secret, state.hash_bytes);
  derive_keys(state, next);
}

}  // namespace baton::tls
