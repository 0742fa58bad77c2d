// RAND_METHOD and the plain SHA-256 are deprecated in favour of providers. A provider of random bytes would have to be
// one of a whole library context; the plain SHA-256 needs no memory and cannot fail.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "worker/tls/random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace baton::tls {

namespace {

thread_local SeededRandom* g_seeded = nullptr;

bool fill_from_kernel(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

int fill(unsigned char* buffer, int size) {
  if (size < 0) return 0;
  const std::span<std::uint8_t> out(buffer, static_cast<std::size_t>(size));
  if (g_seeded == nullptr) return fill_from_kernel(out) ? 1 : 0;
  g_seeded->fill(out);
  return 1;
}

int always_ready() {
  return 1;
}

}  // namespace

void install_random() {
  static const RAND_METHOD method{.seed = nullptr,
                                  .bytes = fill,
                                  .cleanup = nullptr,
                                  .add = nullptr,
                                  .pseudorand = fill,
                                  .status = always_ready};
  if (::RAND_set_rand_method(&method) != 1) throw std::runtime_error("cannot set OpenSSL's RAND_METHOD");
}

SeededRandom::SeededRandom(std::span<const std::uint8_t, 32> seed, std::uint64_t step)
    : seed_(seed), step_(step) {
  g_seeded = this;
}

SeededRandom::~SeededRandom() {
  g_seeded = nullptr;
}

void SeededRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    std::uint8_t block[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    ::SHA256_Init(&hash);
    ::SHA256_Update(&hash, seed_.data(), seed_.size());
    ::SHA256_Update(&hash, &step_, sizeof step_);
    ::SHA256_Update(&hash, &next_, sizeof next_);
    ::SHA256_Final(block, &hash);
    ++next_;
    const std::size_t size = std::min(out.size(), sizeof block);
    std::memcpy(out.data(), block, size);
    out = out.subspan(size);
    ::OPENSSL_cleanse(block, sizeof block);
    ::OPENSSL_cleanse(&hash, sizeof hash);
  }
}

}  // namespace baton::tls
