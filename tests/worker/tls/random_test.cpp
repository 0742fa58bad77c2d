#include "worker/tls/random.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "tests/support/certificates.h"

namespace baton::tls {
namespace {

constexpr std::array<std::uint8_t, 32> kSeed{1, 2, 3};

std::string random_bytes(int size) {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  EXPECT_EQ(::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), size), 1);
  return bytes;
}

std::string seeded_bytes(const std::array<std::uint8_t, 32>& seed, std::uint64_t step, int size) {
  const SeededRandom random(seed, step);
  return random_bytes(size);
}

// An ECDSA signature, and its r.
struct Signature {
  std::string r;
  std::string s;
};

Signature sign(EVP_PKEY* key, const std::string& text) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context(::EVP_MD_CTX_new(),
                                                                          ::EVP_MD_CTX_free);
  EXPECT_EQ(::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr, key), 1);
  std::array<unsigned char, 256> der{};
  std::size_t size = der.size();
  EXPECT_EQ(::EVP_DigestSign(context.get(), der.data(), &size,
                             reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
  const unsigned char* at = der.data();
  const std::unique_ptr<ECDSA_SIG, decltype(&::ECDSA_SIG_free)> parsed(
      ::d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)), ::ECDSA_SIG_free);
  const auto hex = [](const BIGNUM* number) {
    char* text_of = ::BN_bn2hex(number);
    std::string copy = text_of;
    OPENSSL_free(text_of);
    return copy;
  };
  return {hex(::ECDSA_SIG_get0_r(parsed.get())), hex(::ECDSA_SIG_get0_s(parsed.get()))};
}

class RandomTest : public ::testing::Test {
 protected:
  RandomTest() { install_random(); }
};

TEST_F(RandomTest, TheSameSeedAndStepMakeTheSameBytes) {
  EXPECT_EQ(seeded_bytes(kSeed, 7, 1'000), seeded_bytes(kSeed, 7, 1'000));
}

TEST_F(RandomTest, SeedAndStepMatter) {
  auto other = kSeed;
  other[31] = 1;
  const std::set<std::string> all{seeded_bytes(kSeed, 0, 32), seeded_bytes(kSeed, 1, 32),
                                  seeded_bytes(other, 0, 32), seeded_bytes(other, 1, 32)};
  EXPECT_EQ(all.size(), 4U);
}

TEST_F(RandomTest, NoBlockComesTwice) {
  std::set<std::string> blocks;
  const SeededRandom random(kSeed, 0);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(blocks.insert(random_bytes(32)).second);
}

TEST_F(RandomTest, OutsideOfAStepTheKernelIsAsked) {
  const std::string seeded = seeded_bytes(kSeed, 0, 32);
  const std::string first = random_bytes(32);
  EXPECT_NE(first, seeded);
  EXPECT_NE(first, random_bytes(32));
}

TEST_F(RandomTest, KeysAreMadeFromIt) {
  for (const char* kind : {"X25519", "EC"}) {
    std::set<std::string> made;
    for (int i = 0; i < 2; ++i) {
      const SeededRandom random(kSeed, 0);
      EVP_PKEY* key =
          std::strcmp(kind, "EC") == 0 ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(nullptr, nullptr, kind);
      unsigned char* encoded = nullptr;
      const std::size_t size = ::EVP_PKEY_get1_encoded_public_key(key, &encoded);
      made.emplace(reinterpret_cast<const char*>(encoded), size);
      OPENSSL_free(encoded);
      ::EVP_PKEY_free(key);
    }
    EXPECT_EQ(made.size(), 1U) << kind;
  }
}

TEST_F(RandomTest, ASignatureIsRepeated) {
  const auto key = test::test_key(test::TestCa::Kind::kEcdsa);
  Signature first, second;
  {
    const SeededRandom random(kSeed, 0);
    first = sign(key.get(), "a transcript");
  }
  {
    const SeededRandom random(kSeed, 0);
    second = sign(key.get(), "a transcript");
  }
  EXPECT_EQ(first.r, second.r);
  EXPECT_EQ(first.s, second.s);
}

// Two signatures with one nonce would reveal the key. The nonce depends on the digest, too.
TEST_F(RandomTest, SignaturesOfTwoTextsNeverShareANonce) {
  for (const auto kind : {test::TestCa::Kind::kEcdsa, test::TestCa::Kind::kEcdsa384}) {
    const auto key = test::test_key(kind);
    std::set<std::string> seen;
    for (int i = 0; i < 20; ++i) {
      const SeededRandom random(kSeed, 0);
      seen.insert(sign(key.get(), "transcript " + std::to_string(i)).r);
    }
    EXPECT_EQ(seen.size(), 20U);
  }
}

// It depends on the key as well: another certificate's key does not repeat it.
TEST_F(RandomTest, TwoKeysNeverShareANonce) {
  const std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> other(EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  std::set<std::string> seen;
  for (EVP_PKEY* key : {test::test_key(test::TestCa::Kind::kEcdsa).get(), other.get()}) {
    const SeededRandom random(kSeed, 0);
    seen.insert(sign(key, "a transcript").r);
  }
  EXPECT_EQ(seen.size(), 2U);
}

}  // namespace
}  // namespace baton::tls
