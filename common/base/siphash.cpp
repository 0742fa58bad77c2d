#include "common/base/siphash.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace baton {

namespace {

class SipState {
 public:
  explicit SipState(const SipKey& key)
      : v0_(key.low ^ 0x736f6d6570736575U),
        v1_(key.high ^ 0x646f72616e646f6dU),
        v2_(key.low ^ 0x6c7967656e657261U),
        v3_(key.high ^ 0x7465646279746573U) {}

  void add(std::uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }

  std::uint64_t finish() {
    v2_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

// The algorithm is little-endian, and so are the machines that baton runs on.
static_assert(std::endian::native == std::endian::little);

}  // namespace

SipKey random_sip_key() {
  SipKey key;
  ssize_t n = 0;
  do n = ::getrandom(&key, sizeof key, 0);
  while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(sizeof key))
    throw std::runtime_error(std::string("getrandom: ") + std::strerror(errno));
  return key;
}

std::uint64_t siphash(const SipKey& key, std::string_view text) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  SipState state(key);
  const auto length = static_cast<std::uint64_t>(text.size());
  while (text.size() >= kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), kWord);
    state.add(word);
    text.remove_prefix(kWord);
  }
  std::uint64_t last = length << 56;
  for (std::size_t i = 0; i < text.size(); ++i)
    last |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  state.add(last);
  return state.finish();
}

}  // namespace baton
