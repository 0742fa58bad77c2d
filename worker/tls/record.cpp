#include "worker/tls/record.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "worker/tls/key_schedule.h"

namespace baton::tls {

namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kExplicitBytes = 8;  // of the nonce of 1.2 with GCM, in the record

std::uint8_t* bytes(char* at) {
  return reinterpret_cast<std::uint8_t*>(at);
}
const std::uint8_t* bytes(const char* at) {
  return reinterpret_cast<const std::uint8_t*>(at);
}

void store(std::uint8_t* to, std::uint64_t value, int count) {
  for (int i = count - 1; i >= 0; --i, value >>= 8) to[i] = static_cast<std::uint8_t>(value);
}

bool is_13(const TlsState& state) {
  return state.version == TlsVersion::kTls13;
}
bool has_explicit_nonce(const TlsState& state) {
  return !is_13(state) && state.aead != TlsAead::kChaCha20Poly1305;
}

// What is authenticated, but not encrypted.
struct Additional {
  std::uint8_t data[13];
  int size;
};
// `header`: of the record. `plain`: how much plaintext it has.
Additional additional(const TlsState& state, std::uint64_t sequence, const char* header, std::size_t plain) {
  Additional all;
  if (is_13(state)) {
    std::memcpy(all.data, header, kRecordHeaderBytes);
    all.size = kRecordHeaderBytes;
  } else {
    store(all.data, sequence, 8);
    std::memcpy(all.data + 8, header, 3);
    store(all.data + 11, plain, 2);
    all.size = 13;
  }
  return all;
}

// `explicit_nonce`: of the record, if it has one.
void make_nonce(const TlsState& state, const TlsKeys& keys, std::uint64_t sequence,
                const char* explicit_nonce, std::uint8_t* nonce) {
  std::memcpy(nonce, keys.iv, kNonceBytes);
  if (has_explicit_nonce(state)) {
    std::memcpy(nonce + 4, explicit_nonce, kExplicitBytes);
    return;
  }
  std::uint8_t number[8];
  store(number, sequence, 8);
  for (int i = 0; i < 8; ++i) nonce[4 + i] ^= number[i];
}

}  // namespace

std::size_t overhead(const TlsState& state) {
  return plain_offset(state) + (is_13(state) ? 1 : 0) + kTagBytes;
}

std::size_t plain_offset(const TlsState& state) {
  return kRecordHeaderBytes + (has_explicit_nonce(state) ? kExplicitBytes : 0);
}

RecordLayer::RecordLayer() {
  constexpr const char* kNames[kAeads] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
  for (std::size_t i = 0; i < kAeads; ++i) {
    ciphers_[i] = ::EVP_CIPHER_fetch(nullptr, kNames[i], nullptr);
    sealing_[i] = ::EVP_CIPHER_CTX_new();
    opening_[i] = ::EVP_CIPHER_CTX_new();
    if (ciphers_[i] == nullptr ||
        ::EVP_EncryptInit_ex2(sealing_[i], ciphers_[i], nullptr, nullptr, nullptr) != 1 ||
        ::EVP_DecryptInit_ex2(opening_[i], ciphers_[i], nullptr, nullptr, nullptr) != 1)
      throw std::runtime_error(std::string("OpenSSL has no ") + kNames[i]);
  }
}

RecordLayer::~RecordLayer() {
  for (std::size_t i = 0; i < kAeads; ++i) {
    ::EVP_CIPHER_CTX_free(sealing_[i]);
    ::EVP_CIPHER_CTX_free(opening_[i]);
    ::EVP_CIPHER_free(ciphers_[i]);
  }
}

std::size_t RecordLayer::seal(const TlsState& state, std::uint32_t generation, std::uint64_t sequence,
                              RecordType type, std::string_view plain, char* to) {
  const TlsKeys& keys = state.write_keys[generation & 1];
  const std::size_t offset = plain_offset(state);
  char* const inner = to + offset;
  std::size_t inner_bytes = plain.size();
  if (plain.data() != inner) std::copy_n(plain.data(), plain.size(), inner);
  if (is_13(state)) inner[inner_bytes++] = static_cast<char>(type);
  const std::size_t length = offset - kRecordHeaderBytes + inner_bytes + kTagBytes;
  to[0] = static_cast<char>(is_13(state) ? RecordType::kApplicationData : type);
  to[1] = 3;
  to[2] = 3;
  store(bytes(to + 3), length, 2);
  if (has_explicit_nonce(state))
    store(bytes(to + kRecordHeaderBytes), state.explicit_base + sequence, kExplicitBytes);
  std::uint8_t nonce[kNonceBytes];
  make_nonce(state, keys, sequence, to + kRecordHeaderBytes, nonce);
  const Additional added = additional(state, sequence, to, plain.size());
  EVP_CIPHER_CTX* const context = sealing_[static_cast<std::size_t>(state.aead)];
  int done = 0;
  ::EVP_EncryptInit_ex2(context, nullptr, keys.key, nonce, nullptr);
  ::EVP_EncryptUpdate(context, nullptr, &done, added.data, added.size);
  ::EVP_EncryptUpdate(context, bytes(inner), &done, bytes(inner), static_cast<int>(inner_bytes));
  ::EVP_EncryptFinal_ex(context, bytes(inner) + done, &done);
  ::EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, inner + inner_bytes);
  return kRecordHeaderBytes + length;
}

RecordLayer::Opened RecordLayer::open(const TlsState& state, std::uint32_t generation, std::uint64_t sequence,
                                      std::string_view record, char* to) {
  const auto refused = [](Alert alert) { return Opened{.alert = alert}; };
  const auto type = static_cast<RecordType>(record[0]);
  if (is_13(state) && type != RecordType::kApplicationData) return refused(Alert::kUnexpectedMessage);
  const std::size_t offset = plain_offset(state);
  if (record.size() < offset + kTagBytes + (is_13(state) ? 1 : 0)) return refused(Alert::kBadRecordMac);
  const std::size_t sealed = record.size() - offset - kTagBytes;
  const TlsKeys& keys = state.read_keys[generation & 1];
  std::uint8_t nonce[kNonceBytes];
  make_nonce(state, keys, sequence, record.data() + kRecordHeaderBytes, nonce);
  const Additional added = additional(state, sequence, record.data(), sealed);
  const char* const inner = record.data() + offset;
  std::uint8_t tag[kTagBytes];
  std::memcpy(tag, inner + sealed, kTagBytes);
  EVP_CIPHER_CTX* const context = opening_[static_cast<std::size_t>(state.aead)];
  int done = 0;
  if (::EVP_DecryptInit_ex2(context, nullptr, keys.key, nonce, nullptr) != 1 ||
      ::EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) != 1 ||
      ::EVP_DecryptUpdate(context, nullptr, &done, added.data, added.size) != 1 ||
      ::EVP_DecryptUpdate(context, bytes(to), &done, bytes(inner), static_cast<int>(sealed)) != 1 ||
      ::EVP_DecryptFinal_ex(context, bytes(to) + done, &done) != 1)
    return refused(Alert::kBadRecordMac);
  Opened opened{.ok = true, .type = type, .bytes = sealed};
  if (is_13(state)) {
    if (sealed > kTlsMaxPlain + 1) return refused(Alert::kRecordOverflow);
    // The type stands behind the plaintext, and padding of zeroes behind that.
    while (opened.bytes > 0 && to[opened.bytes - 1] == 0) --opened.bytes;
    if (opened.bytes == 0) return refused(Alert::kUnexpectedMessage);
    opened.type = static_cast<RecordType>(to[--opened.bytes]);
  }
  if (opened.bytes > kTlsMaxPlain) return refused(Alert::kRecordOverflow);
  return opened;
}

}  // namespace baton::tls
