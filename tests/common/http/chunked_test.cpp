// The chunked coding (RFC 9112 7.1): each body decoded at once, byte by byte, and cut in two at every place.
#include "common/http/chunked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace baton::http {
namespace {

using namespace std::string_literals;
using Kind = ChunkStep::Kind;

struct Decoded {
  Kind kind = Kind::kNeedMore;
  std::size_t consumed = 0;
  std::string data;

  bool operator==(const Decoded&) const = default;
};

void PrintTo(const Decoded& decoded, std::ostream* out) {
  *out << "kind " << static_cast<int>(decoded.kind) << ", " << decoded.consumed << " bytes taken, data \""
       << decoded.data << '"';
}

// Goes on until the piece is used up or the body has ended.
void feed(std::string_view piece, ChunkState& state, Decoded& decoded) {
  const std::vector<char> copy(piece.begin(),
                               piece.end());  // of exactly this size, for the address sanitizer
  std::string_view rest(copy.data(), copy.size());
  do {
    const ChunkStep step = decode_chunked(rest, state);
    decoded.kind = step.kind;
    decoded.consumed += step.consumed;
    decoded.data += step.data;
    rest.remove_prefix(step.consumed);
  } while (decoded.kind == Kind::kData);
}

bool ended(const Decoded& decoded) {
  return decoded.kind == Kind::kDone || decoded.kind == Kind::kError;
}

Decoded decode_in_pieces(std::string_view bytes, std::size_t first, std::size_t further) {
  ChunkState state;
  Decoded decoded;
  for (std::size_t size = first; !ended(decoded) && !bytes.empty(); size = further) {
    const auto piece = bytes.substr(0, size);
    feed(piece, state, decoded);
    bytes.remove_prefix(piece.size());
  }
  return decoded;
}

Decoded decode(std::string_view bytes) {
  return decode_in_pieces(bytes, bytes.size(), bytes.size());
}

Decoded expect_same_in_pieces(std::string_view bytes) {
  Decoded whole = decode(bytes);
  EXPECT_EQ(decode_in_pieces(bytes, 1, 1), whole) << "byte by byte";
  for (std::size_t cut = 1; cut < std::min<std::size_t>(bytes.size(), 100); ++cut) {
    EXPECT_EQ(decode_in_pieces(bytes, cut, bytes.size()), whole) << "cut at " << cut;
  }
  return whole;
}

constexpr std::string_view kNextRequest = "GET / HTTP/1.1\r\n";

void expect_decoded(const std::string& coded, std::string_view data) {
  SCOPED_TRACE(coded);
  const Decoded whole = expect_same_in_pieces(coded + std::string(kNextRequest));
  EXPECT_EQ(whole.kind, Kind::kDone);
  EXPECT_EQ(whole.consumed, coded.size());
  EXPECT_EQ(whole.data, data);
}

void expect_refused(const std::string& coded) {
  SCOPED_TRACE(coded.substr(0, 100));
  EXPECT_EQ(expect_same_in_pieces(coded).kind, Kind::kError);
}

TEST(Chunked, Decodes) {
  expect_decoded("0\r\n\r\n", "");
  expect_decoded("5\r\nhello\r\n0\r\n\r\n", "hello");
  expect_decoded("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", "hello world");
  expect_decoded("2\r\n\r\n\r\n0\r\n\r\n", "\r\n");
  expect_decoded("3\r\n0\r\n\r\n0\r\n\r\n", "0\r\n");
}

TEST(Chunked, SizesServed) {
  expect_decoded("0005\r\nhello\r\n0\r\n\r\n", "hello");
  expect_decoded("A\r\n0123456789\r\n0\r\n\r\n", "0123456789");
  expect_decoded("a\r\n0123456789\r\n000\r\n\r\n", "0123456789");
  expect_decoded("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello");
}

TEST(Chunked, SizesRefused) {
  for (const auto* size :
       {"0x5", "+5", "-5", "1_0", " 5", "\t5", "", "00000000000000005", "10000000000000000", "g",
        "8000000000000000", "FFFFFFFFFFFFFFFF", "5g", "5,", "\"5\"", "\n5", "\r5"}) {
    expect_refused(std::string(size) + "\r\nhello\r\n0\r\n\r\n");
  }
  expect_refused("5\0\r\nhello\r\n0\r\n\r\n"s);
}

TEST(Chunked, TheLargestSizeIsTaken) {
  const Decoded decoded = decode("7fffffffffffffff\r\nabc");
  EXPECT_EQ(decoded.kind, Kind::kNeedMore);
  EXPECT_EQ(decoded.data, "abc");
}

TEST(Chunked, ExtensionsServed) {
  for (const auto* extension : {";a", ";a=b", ";a=\"b c\"", ";a=\"\"", ";a=\"\\\"\\\\\"", ";a=b;c=d;e",
                                ";a=\"b\";c", ";!#$%&'*+-.^_`|~=x", " ;a=b", "\t; a = b", ";a ;b",
                                ";a=\"\tb\xff\"", ";a=b ;c", ";a=\"b\" ;c", ";a= \"b\""}) {
    expect_decoded("5" + std::string(extension) + "\r\nhello\r\n0\r\n\r\n", "hello");
    expect_decoded("0" + std::string(extension) + "\r\n\r\n", "");
  }
}

TEST(Chunked, ExtensionsRefused) {
  for (const auto* extension : {" ",           "\t",
                                ";",           "; ",
                                ";;",          ";a;",
                                ";a=",         ";a= ",
                                ";a ",         ";a=b ",
                                ";a=\"b\" ",   ";bad[=x",
                                ";a=[",        ";=b",
                                ";a==b",       ";a=\"b",
                                ";a=\"b\"c",   ";a=b\"c\"",
                                ";a b",        ";a=b c",
                                " a",          ";a\x01",
                                ";a=\x01",     ";a=\"\x01\"",
                                ";a=\"\x7f\"", ";a=\"\\\x01\"",
                                ";a=\"b\nc\"", ";a\n",
                                ";a=\xff"}) {
    expect_refused("5" + std::string(extension) + "\r\nhello\r\n0\r\n\r\n");
    expect_refused("0" + std::string(extension) + "\r\n\r\n");
  }
  expect_refused("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n"s);
}

TEST(Chunked, DataOfAnotherLengthRefused) {
  expect_refused("5\r\nhello!\r\n0\r\n\r\n");
  expect_refused("5\r\nhell\r\n0\r\n\r\n");
  expect_refused("5\r\nhello0\r\n\r\n");
}

TEST(Chunked, LineEndsRefused) {
  expect_refused("5\nhello\r\n0\r\n\r\n");
  expect_refused("5\rhello\r\n0\r\n\r\n");
  expect_refused("5\r\r\nhello\r\n0\r\n\r\n");
  expect_refused("5\r\nhello\n0\r\n\r\n");
  expect_refused("5\r\nhello\rx0\r\n\r\n");
  expect_refused("5;a=b\nhello\r\n0\r\n\r\n");
  expect_refused("0\n\r\n");
  expect_refused("0\r\n\n");
  expect_refused("0\r\n\rx");
  expect_refused("0\r\nA: b\n\r\n");
  expect_refused("0\r\nA: b\r\r\n\r\n");
}

TEST(Chunked, TrailersAreDropped) {
  expect_decoded("5\r\nhello\r\n0\r\nDigest: abc\r\n\r\n", "hello");
  expect_decoded("0\r\nA:\r\nB: c d\t\xff\r\n\r\n", "");
  // Names that only begin like, end like, or contain a forbidden one.
  expect_decoded("0\r\nHos: a\r\nHosts: a\r\nX-Host: a\r\nContent-Lengths: 5\r\n\r\n", "");
  expect_decoded("0\r\nTransfer-Encodin: chunked\r\nContent-Type: a\r\n\r\n", "");
  expect_decoded("0\r\n" + std::string(300, 'h') + ": a\r\n\r\n", "");
}

TEST(Chunked, TrailersThatFrameOrRouteAreRefused) {
  for (const auto* name :
       {"Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Host", "hOST"}) {
    expect_refused("0\r\n" + std::string(name) + ": 5\r\n\r\n");
    expect_refused("0\r\nA: b\r\n" + std::string(name) + ":\r\n\r\n");
    // A name before it that began like another forbidden one.
    expect_refused("0\r\nC: b\r\n" + std::string(name) + ":\r\n\r\n");
    expect_refused("0\r\nTransfer: b\r\n" + std::string(name) + ":\r\n\r\n");
  }
}

TEST(Chunked, MalformedTrailersRefused) {
  for (const auto* trailer :
       {"A", "A b", "A : b", ": b", " A: b", "A: b\r\n c", "A: \x01", "A: \x7f", "A[: b", "\xff: b"}) {
    expect_refused("0\r\n" + std::string(trailer) + "\r\n\r\n");
  }
  expect_refused("0\r\nA: \0\r\n\r\n"s);
}

TEST(Chunked, ABodyCutAnywhereIsNotDone) {
  const std::string coded = "5;a=\"b\"\r\nhello\r\n0;c\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < coded.size(); ++size) {
    const Decoded decoded = decode(coded.substr(0, size));
    EXPECT_EQ(decoded.kind, Kind::kNeedMore) << size;
    EXPECT_EQ(decoded.consumed, size);
  }
}

TEST(Chunked, ASizeLineHasALimit) {
  const auto line = [](std::size_t bytes) { return "5;" + std::string(bytes - 4, 'a') + "\r\n"; };
  expect_decoded(line(1'024) + "hello\r\n" + line(1'024) + "hello\r\n0\r\n\r\n", "hellohello");
  expect_refused(line(1'025) + "hello\r\n0\r\n\r\n");
}

TEST(Chunked, TrailersHaveALimitTogether) {
  const auto field = [](std::size_t bytes) { return "A:" + std::string(bytes - 4, 'b') + "\r\n"; };
  expect_decoded("0\r\n" + field(4'000) + field(4'190) + "\r\n", "");
  expect_refused("0\r\n" + field(4'000) + field(4'191) + "\r\n");
}

TEST(Chunked, AnEndStaysAnEnd) {
  ChunkState state;
  ASSERT_EQ(decode_chunked("0\r\n\r\n", state).kind, Kind::kDone);
  EXPECT_EQ(decode_chunked("5\r\nhello", state).kind, Kind::kDone);
  EXPECT_EQ(decode_chunked("5\r\nhello", state).consumed, 0U);
  ChunkState failed;
  const auto step = decode_chunked("x", failed);
  ASSERT_EQ(step.kind, Kind::kError);
  EXPECT_STRNE(step.reason, "");
  EXPECT_EQ(decode_chunked("0\r\n\r\n", failed).kind, Kind::kError);
}

TEST(Chunked, DataIsGivenInPlace) {
  const std::string_view coded = "5\r\nhello\r\n";
  ChunkState state;
  const auto step = decode_chunked(coded, state);
  ASSERT_EQ(step.kind, Kind::kData);
  EXPECT_EQ(step.data.data(), coded.data() + 3);
  EXPECT_EQ(step.consumed, 8U);
}

// The state is in shared memory: an impossible one must not hang or read out of bounds.
TEST(Chunked, ATornStateIsAnError) {
  ChunkState state;
  state.phase = 255;
  EXPECT_EQ(decode_chunked("5\r\nhello", state).kind, Kind::kError);
}

}  // namespace
}  // namespace baton::http
