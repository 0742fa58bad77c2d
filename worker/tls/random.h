// Where OpenSSL's random bytes come from in a keyholder. A handshake that another process goes on with has to make the
// same bytes again, so its randomness is a function of its seed.
//
// What was checked in OpenSSL 3.0: a RAND_METHOD replaces its generators everywhere (RAND_bytes_ex and
// RAND_priv_bytes_ex, which key generation and signatures in the default provider use, too). The random nonce of an
// ECDSA signature is mixed with the private key and the digest (BN_generate_dsa_nonce). So two signatures of
// different digests never have the same nonce, even with the same random bytes: a replay that diverges cannot
// reveal the key.
#pragma once

#include <cstdint>
#include <span>

namespace baton::tls {

// From now on, all random bytes of OpenSSL in this process are those of a SeededRandom, or getrandom(2)'s where there
// is none. May be called again. Throws std::runtime_error.
void install_random();

// While it lives, OpenSSL's random bytes in this thread are SHA-256(seed, step, n) with n = 0, 1, ... The seed is not
// copied. There is at most one at a time in a thread.
//
// A step has a stream of its own, because how much randomness a step takes may depend on what the process did before:
// an RSA key makes its blinding with its first signature. What a step takes after a signature would not be
// repeatable; nothing is.
class SeededRandom {
 public:
  SeededRandom(std::span<const std::uint8_t, 32> seed, std::uint64_t step);
  SeededRandom(const SeededRandom&) = delete;
  SeededRandom& operator=(const SeededRandom&) = delete;
  ~SeededRandom();

  void fill(std::span<std::uint8_t> out);

 private:
  std::span<const std::uint8_t, 32> seed_;
  std::uint64_t step_;
  std::uint64_t next_ = 0;
};

}  // namespace baton::tls
