// Rows 27 to 39 and 41: where a body ends, and what becomes of the connection.
#include <gtest/gtest.h>

#include "tests/integration/http_cases.h"

namespace baton::test {

namespace {

using std::string_literals::operator""s;

constexpr const char* kRequestInside = "GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string post(const std::string& fields, const std::string& body, const std::string& version = "1.1") {
  return "POST /ok HTTP/" + version + "\r\nHost: localhost\r\n" + fields + "\r\n" + body;
}

std::string length(const std::string& value) {
  return post("Content-Length: " + value + "\r\n", "hello");
}

std::string coding(const std::string& value) {
  return post("Transfer-Encoding: " + value + "\r\n", "5\r\nhello\r\n0\r\n\r\n");
}

// With what an attacker hopes to have read as a request of its own.
std::string smuggle(const std::string& fields) {
  return post(fields, "0\r\n\r\n"s + kRequestInside);
}

std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

std::string chunk_line(const std::string& size_line) {
  return chunked(size_line + "\r\nhello\r\n0\r\n\r\n");
}

std::string connection(const std::string& fields, const std::string& version = "1.1") {
  return "GET /ok HTTP/" + version + "\r\nHost: localhost\r\n" + fields + "\r\n";
}

std::string expect(const std::string& value, const std::string& version = "1.1") {
  return post("Expect: " + value + "\r\nContent-Length: 5\r\n", "hello", version);
}

void says_close(const Response& response) {
  EXPECT_EQ(response.field("connection"), "close");
}

void says_keep_alive(const Response& response) {
  EXPECT_EQ(response.field("connection"), "keep-alive");
}

}  // namespace

std::vector<HttpCase> framing_cases() {
  const auto kEither = After::kEither;
  const auto kKeeps = After::kKeeps;
  const std::string both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
  return {
      {27, "NegativeLength", length("-1"), 400},
      {27, "PlusLength", length("+5"), 400},
      {27, "HexLength", length("0x5"), 400},
      {27, "UnderscoreLength", length("1_0"), 400},
      {27, "SpaceInLength", length("1 0"), 400},
      {27, "MinusZeroLength", length("-0"), 400},
      {27, "LetterBehindLength", length("5x"), 400},
      {27, "EmptyLength", length(""), 400},
      {27, "LengthOverflows", length("99999999999999999999"), 400},
      {27, "LengthWrapsTo5", length("18446744073709551621"), 400},
      {27, "DifferingLengths", post("Content-Length: 5\r\nContent-Length: 10\r\n", "hello"), 400},
      {27, "ListOfLengths", length("5, 10"), 400},
      {28, "LengthThenChunked", smuggle(both), 400},
      {28, "ChunkedThenLength", smuggle("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {28, "ZeroLengthAndChunked", smuggle("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400},
      {28, "LengthAndUnknownCoding", smuggle("Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n"), 400},
      {29, "ChunkedIn10", post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "1.0"), 400},
      {29, "ChunkedIn10KeepAlive",
       post("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"s + kRequestInside, "1.0"),
       400},
      {30, "UnknownCoding", smuggle("Transfer-Encoding: xchunked\r\n"), 501},
      {30, "GzipThenChunked", smuggle("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {30, "Identity", smuggle("Transfer-Encoding: identity\r\n"), 501},
      {31, "ChunkedThenGzip", smuggle("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {31, "ChunkedTwice", smuggle("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {31, "FieldTwice", smuggle("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {31, "FieldTwiceOtherCoding", smuggle("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n"), 400},
      {32, "VerticalTabInFront",
       smuggle("Transfer-Encoding: \x0b"
               "chunked\r\n"),
       400},
      {32, "NulBehind", smuggle("Transfer-Encoding: chunked\0\r\n"s), 400},
      {32, "NoBreakSpaceInFront",
       smuggle("Transfer-Encoding: \xa0"
               "chunked\r\n"),
       400},
      {32, "SpaceBeforeColon", smuggle("Transfer-Encoding : chunked\r\n"), 400},
      {32, "Folded", smuggle("Transfer-Encoding:\r\n chunked\r\n"), 400},
      {32, "FoldedIntoPreviousField", smuggle("X: y\r\n Transfer-Encoding: chunked\r\n"), 400},
      {32, "CrInFront", smuggle("X: y\rTransfer-Encoding: chunked\r\n"), 400},
      {32, "LfInFront", smuggle("X: y\nTransfer-Encoding: chunked\r\n"), 400},
      {32, "Quoted", smuggle("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {32, "Empty", smuggle("Transfer-Encoding:\r\n"), 400},
      {32, "UpperCase", post("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"), 200, kKeeps},
      {32, "SpacesAround", coding(" \tchunked\t "), 200, kKeeps},
      {37, "CutShort", post("Content-Length: 10\r\n", "hello"), 400, After::kCloses, nullptr, false, false,
       true},
      {37, "ChunksCutShort", chunked("5\r\nhel"), 400, After::kCloses, nullptr, false, false, true},
      {37, "LastChunkMissing", chunked("5\r\nhello\r\n"), 400, After::kCloses, nullptr, false, false, true},
      {37, "GetWithBody",
       "GET /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: 42\r\n\r\n"s + kRequestInside, 200, kKeeps},
      {37, "GetWithChunks",
       "GET /ok HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2A\r\n"s + kRequestInside +
           "\r\n0\r\n\r\n",
       200, kKeeps},
      {37, "BodyOfRefusedMethod",
       "POST /letters.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 42\r\n\r\n"s + kRequestInside, 405,
       kEither},
  };
}

std::vector<HttpCase> chunk_cases() {
  const auto kKeeps = After::kKeeps;
  return {
      {33, "HexPrefix", chunk_line("0x5"), 400},
      {33, "Plus", chunk_line("+5"), 400},
      {33, "Minus", chunk_line("-5"), 400},
      {33, "Underscore", chunk_line("1_0"), 400},
      {33, "SpaceInFront", chunk_line(" 5"), 400},
      {33, "Empty", chunk_line(""), 400},
      {33, "SeventeenDigits", chunk_line("00000000000000005"), 400},
      {33, "Overflows", chunk_line("fffffffffffffffff"), 400},
      {34, "SpaceBehind", chunk_line("5 "), 400},
      {34, "SemicolonOnly", chunk_line("5;"), 400},
      {34, "BadExtension", chunk_line("5;bad[=x"), 400},
      {34, "ControlInExtension", chunk_line("5;a=\x01"), 400},
      {34, "LfInExtension", chunk_line("5;a\nb"), 400},
      {34, "CrInExtension", chunk_line("5;a\rb"), 400},
      {34, "Extension", chunk_line("5;a=b"), 200, kKeeps},
      {34, "QuotedExtension", chunk_line("5;a=\"b c\""), 200, kKeeps},
      {34, "LeadingZeros", chunk_line("0005"), 200, kKeeps},
      {34, "UpperCaseHex", chunked("A\r\n0123456789\r\n0\r\n\r\n"), 200, kKeeps},
      {34, "LowerCaseHex", chunked("a\r\n0123456789\r\n0\r\n\r\n"), 200, kKeeps},
      {34, "SeveralChunks", chunked("5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n000\r\n\r\n"), 200, kKeeps},
      {35, "DataTooLong", chunked("5\r\nhello!\r\n0\r\n\r\n"), 400},
      {35, "NoCrlfAfterData", chunked("5\r\nhello0\r\n\r\n"), 400},
      {35, "LfAfterData", chunked("5\r\nhello\n0\r\n\r\n"), 400},
      {35, "LfAfterSize", chunked("5\nhello\r\n0\r\n\r\n"), 400},
      {35, "CrAfterSize", chunked("5\rhello\r\n0\r\n\r\n"), 400},
      {35, "LfAfterLastSize", chunked("5\r\nhello\r\n0\n\r\n"), 400},
      {35, "LfAsLastLine", chunked("5\r\nhello\r\n0\r\n\n"), 400},
      {36, "LengthTrailer", chunked("0\r\nContent-Length: 42\r\n\r\n"s + kRequestInside), 400},
      {36, "CodingTrailer", chunked("0\r\ntransfer-encoding: chunked\r\n\r\n"s + kRequestInside), 400},
      {36, "HostTrailer", chunked("0\r\nHOST: other.example\r\n\r\n"), 400},
      {36, "FoldedTrailer", chunked("0\r\nX: a\r\n b\r\n\r\n"), 400},
      {36, "Trailer", chunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other:\r\n\r\n"), 200, kKeeps},
      {36, "TrailerIsNoField", chunked("0\r\nConnection: close\r\n\r\n"), 200, kKeeps},
  };
}

std::vector<HttpCase> connection_cases() {
  const auto kCloses = After::kCloses;
  const auto kKeeps = After::kKeeps;
  const auto kEither = After::kEither;
  return {
      {38, "Garbage", "garbage\r\n\r\n", 400},
      {38, "TlsHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
      {39, "Close", connection("Connection: close\r\n"), 200, kCloses, says_close},
      {39, "CloseInAnyCase", connection("connection: CLOSE\r\n"), 200, kCloses, says_close},
      {39, "EmptyElementThenClose", connection("Connection: ,close\r\n"), 200, kCloses, says_close},
      {39, "CloseThenEmptyElement", connection("Connection: close,,TE\r\n"), 200, kCloses, says_close},
      {39, "CloseInSecondField", connection("Connection: TE\r\nConnection: close\r\n"), 200, kCloses,
       says_close},
      {39, "CloseWinsOverKeepAlive", connection("Connection: keep-alive, close\r\n"), 200, kCloses,
       says_close},
      {39, "Version10", connection("", "1.0"), 200, kCloses, says_close},
      {39, "Version10KeepAlive", connection("Connection: keep-alive\r\n", "1.0"), 200, kKeeps,
       says_keep_alive},
      {39, "CloseAfterBody", post("Connection: close\r\nContent-Length: 5\r\n", "hello"), 200, kCloses,
       says_close},
      {41, "Continue", expect("100-continue"), 200, kKeeps, nullptr, false, true},
      {41, "ContinueInAnyCase", expect("100-Continue"), 200, kKeeps, nullptr, false, true},
      {41, "ContinueIn10", expect("100-continue", "1.0"), 200, kCloses},
      {41, "UnknownExpectation", expect("200-ok"), 417, kEither},
      {41, "ContinueAndUnknown", expect("100-continue, fish"), 417, kEither},
  };
}

}  // namespace baton::test
