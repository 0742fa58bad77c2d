// Mutated requests and bodies, the same ones on every run: what baton accepts, Boost.Beast must read the same
// way.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "common/http/chunked.h"
#include "common/http/parser.h"
#include "tests/common/http/head_cases.h"
#include "tests/support/beast_oracle.h"

namespace baton::http {
namespace {

using namespace std::string_view_literals;

constexpr std::array kHeads = {
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n"sv,
    "GET /a/b?c=d HTTP/1.1\r\nHost: www.example.com:8080\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"sv,
    "POST /form HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"sv,
    "PUT /up HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nConnection: close, TE\r\n\r\n"sv,
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"sv,
    "OPTIONS * HTTP/1.1\r\nhost:\r\nX-A: \t b \r\nX-A: c\r\n\r\n"sv,
    "\r\nGET http://h.example./p?q HTTP/1.2\r\nHost: other\r\nProxy-Connection: close\r\n\r\n"sv,
    "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"sv,
};

constexpr std::array kBodies = {
    "5\r\nhello\r\n0\r\n\r\n"sv,
    "A;a=b\r\n0123456789\r\n3;c=\"d e\";f\r\nabc\r\n00\r\nX: y\r\n\r\n"sv,
    "1 ; a = \"\\\"\"\r\nx\r\n0;z\r\nA: b\r\nConnection: close\r\n\r\n"sv,
};

constexpr std::array kPieces = {
    "\r\n"sv,
    "\r"sv,
    "\n"sv,
    "\0"sv,
    " "sv,
    "\t"sv,
    ":"sv,
    ","sv,
    ";"sv,
    "="sv,
    "\""sv,
    "\\"sv,
    "0"sv,
    "5"sv,
    "chunked"sv,
    "close"sv,
    "keep-alive"sv,
    "\r\n "sv,
    "Host: i\r\n"sv,
    "Content-Length: 3\r\n"sv,
    "Transfer-Encoding: chunked\r\n"sv,
    "Connection: ,close\r\n"sv,
    "\xff"sv,
    "\x7f"sv,
    "%00"sv,
    "HTTP/1.0"sv,
    "A: b\r\n"sv,
    ", "sv,
};

class Mutator {
 public:
  // One to three changes: most single ones break a head, and some only meet in twos.
  std::string mutate(std::string_view seed) {
    std::string bytes(seed);
    for (auto changes = below(3) + 1; changes > 0; --changes) change(bytes);
    return bytes;
  }

  // Not std::uniform_int_distribution: that one may differ between libraries.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

 private:
  void change(std::string& bytes) {
    const auto at = below(bytes.size() + 1);
    const auto size = std::min(below(8) + 1, bytes.size() - at);
    switch (below(6)) {
      case 0: bytes.insert(at, kPieces.at(below(kPieces.size()))); break;
      case 1: bytes.replace(at, size, kPieces.at(below(kPieces.size()))); break;
      case 2: bytes.erase(at, size); break;
      case 3: bytes.insert(at, bytes.substr(at, size)); break;
      case 4: bytes.insert(at, 1, static_cast<char>(below(256))); break;
      default:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
    }
  }

  std::mt19937_64 random_{20'240'607};
};

TEST(BeastAgreement, OnMutatedHeads) {
  Mutator mutator;
  Request request;
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string bytes = mutator.mutate(kHeads.at(mutator.below(kHeads.size())));
    if (parse_head(bytes, {}, request).status != ParseStatus::kComplete) continue;
    ++accepted;
    const auto head = std::string_view(bytes).substr(0, request.head_bytes);
    ASSERT_EQ(baton::testing::head_disagreement(head, request), "") << bytes;
  }
  EXPECT_GT(accepted, 4'000);
}

TEST(MutatedHeads, GetOneAnswerHoweverTheyArrive) {
  Mutator mutator;
  Request request;
  for (int i = 0; i < 2'000; ++i) {
    const std::string bytes = mutator.mutate(kHeads.at(mutator.below(kHeads.size())));
    SCOPED_TRACE(bytes);
    const auto whole = parse_head(bytes, {}, request);
    const auto head_bytes = request.head_bytes;
    ASSERT_NO_FATAL_FAILURE(expect_same_at_every_prefix(bytes, {}, request, whole, head_bytes));
  }
}

TEST(BeastAgreement, OnMutatedChunkedBodies) {
  Mutator mutator;
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string bytes = mutator.mutate(kBodies.at(mutator.below(kBodies.size())));
    ChunkState state;
    ChunkStep step;
    std::string body;
    std::string_view rest = bytes;
    do {
      step = decode_chunked(rest, state);
      body += step.data;
      rest.remove_prefix(step.consumed);
    } while (step.kind == ChunkStep::Kind::kData);
    if (step.kind != ChunkStep::Kind::kDone) continue;
    ++accepted;
    const auto coded = std::string_view(bytes).substr(0, bytes.size() - rest.size());
    ASSERT_EQ(baton::testing::chunked_disagreement(coded, body), "") << bytes;
  }
  EXPECT_GT(accepted, 2'000);
}

// That the oracle can disagree at all.
TEST(BeastOracle, NoticesADifference) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
  Request request;
  ASSERT_EQ(parse_head(bytes, {}, request).status, ParseStatus::kComplete);
  ASSERT_EQ(baton::testing::head_disagreement(bytes, request), "");
  request.content_length = 6;
  EXPECT_EQ(baton::testing::head_disagreement(bytes, request), "content length");
  request.content_length = 5;
  request.fields[0].value = "i";
  EXPECT_EQ(baton::testing::head_disagreement(bytes, request), "value of field 0");
  EXPECT_EQ(baton::testing::chunked_disagreement("1\r\na\r\n0\r\n\r\n", "b"), "body");
}

}  // namespace
}  // namespace baton::http
