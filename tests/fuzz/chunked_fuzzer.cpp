// The chunked decoder: one result however the bytes are cut, and the body that Boost.Beast reads.
// The first byte of an input seeds the cuts, the rest is the coded body.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/chunked.h"
#include "tests/support/beast_oracle.h"

namespace {

using baton::http::ChunkState;
using baton::http::ChunkStep;
using baton::http::decode_chunked;
using Kind = ChunkStep::Kind;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

struct Decoded {
  Kind kind = Kind::kNeedMore;
  std::size_t consumed = 0;
  std::string data;
};

void feed(std::string_view piece, ChunkState& state, Decoded& decoded) {
  const std::vector<char> copy(piece.begin(), piece.end());
  std::string_view rest(copy.data(), copy.size());
  do {
    const auto step = decode_chunked(rest, state);
    require(step.consumed <= rest.size() && step.data.size() <= step.consumed, "a step stays in its input");
    require((step.kind == Kind::kData) == !step.data.empty(), "data comes with data steps");
    decoded.kind = step.kind;
    decoded.consumed += step.consumed;
    decoded.data += step.data;
    rest.remove_prefix(step.consumed);
  } while (decoded.kind == Kind::kData);
  require(decoded.kind != Kind::kNeedMore || rest.empty(), "more is asked for when all is taken");
}

// Cuts of pseudo-random size; seed 0 cuts everywhere.
Decoded decode_in_pieces(std::string_view bytes, unsigned seed) {
  ChunkState state;
  Decoded decoded;
  unsigned random = seed;
  while (!bytes.empty() && decoded.kind != Kind::kDone && decoded.kind != Kind::kError) {
    random = random * 1'103'515'245 + seed;
    const auto piece = bytes.substr(0, 1 + (random >> 16) % (seed + 1));
    feed(piece, state, decoded);
    bytes.remove_prefix(piece.size());
  }
  return decoded;
}

void check_against_beast(std::string_view coded, const std::string& body) {
  const auto difference = baton::testing::chunked_disagreement(coded, body);
  if (difference.empty()) return;
  std::fprintf(stderr, "Beast disagrees: %s\n", difference.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::vector<char> input(data + 1, data + size);
  const std::string_view bytes(input.data(), input.size());
  ChunkState state;
  Decoded whole;
  feed(bytes, state, whole);
  for (const unsigned seed : {0U, unsigned{data[0]}}) {
    const auto pieces = decode_in_pieces(bytes, seed);
    require(pieces.kind == whole.kind, "kind depends on the cuts");
    require(pieces.consumed == whole.consumed, "consumed depends on the cuts");
    require(pieces.data == whole.data, "data depends on the cuts");
  }
  if (whole.kind == Kind::kDone) check_against_beast(bytes.substr(0, whole.consumed), whole.data);
  return 0;
}
