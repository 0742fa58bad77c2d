// Rows 42 to 45: what is answered about a resource. static_files_test.cpp goes further.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/integration/http_cases.h"
#include "tests/support/server.h"

namespace baton::test {

namespace {

constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyz";
constexpr const char* kModified = "Wed, 01 Jan 2020 00:00:00 GMT";
constexpr std::time_t kModifiedTime = 1'577'836'800;

std::string letters(const std::string& fields, const std::string& method = "GET") {
  return method + " /letters.txt HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

std::string range(const std::string& value, const std::string& more = "") {
  return letters("Range: " + value + "\r\n" + more);
}

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

void is_whole(const Response& response) {
  EXPECT_EQ(response.body, kLetters);
  EXPECT_FALSE(response.has("content-range"));
}

void is_head(const Response& response) {
  EXPECT_EQ(response.field("content-length"), "26");
  EXPECT_EQ(response.field("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(response.field("last-modified"), kModified);
  EXPECT_EQ(response.field("accept-ranges"), "bytes");
  EXPECT_TRUE(response.has("etag"));
}

void is_head_of_respond(const Response& response) {
  EXPECT_EQ(response.field("content-length"), "3");
}

void keeps_the_tag(const Response& response) {
  EXPECT_TRUE(response.has("etag"));
}

// `from` counts from 0.
void is_part(const Response& response, std::size_t from, std::size_t length) {
  EXPECT_EQ(response.body, std::string(kLetters).substr(from, length));
  EXPECT_EQ(response.field("content-range"),
            "bytes " + std::to_string(from) + "-" + std::to_string(from + length - 1) + "/26");
}

void is_multipart(const Response& response) {
  EXPECT_TRUE(response.field("content-type").starts_with("multipart/byteranges; boundary="));
  EXPECT_FALSE(response.has("content-range"));
  EXPECT_NE(response.body.find("\r\nContent-Range: bytes 0-1/26\r\n\r\nab\r\n--"), std::string::npos);
  EXPECT_NE(response.body.find("\r\nContent-Range: bytes 24-25/26\r\n\r\nyz\r\n--"), std::string::npos);
}

void names_the_length(const Response& response) {
  EXPECT_EQ(response.field("content-range"), "bytes */26");
}

void leads_to_folder(const Response& response) {
  EXPECT_EQ(response.field("location"), "/folder/");
}

void leads_to_folder_with_query(const Response& response) {
  EXPECT_EQ(response.field("location"), "/folder/?a=1&b=%2F");
}

void is_percent_name(const Response& response) {
  EXPECT_EQ(response.body, "percent");
}

std::string seventeen_ranges() {
  std::string value = "bytes=0-0";
  for (int i = 1; i < 17; ++i) value += ",0-" + std::to_string(i);
  return value;
}

}  // namespace

std::vector<HttpCase> resource_cases() {
  const auto kKeeps = After::kKeeps;
  const auto kEither = After::kEither;
  const std::string since = std::string("If-Modified-Since: ") + kModified + "\r\n";
  const std::string unmodified = std::string("If-Unmodified-Since: ") + kModified + "\r\n";
  return {
      {42, "HeadOfFile", letters("", "HEAD"), 200, kKeeps, is_head, true},
      {42, "HeadOfRespond", "HEAD /ok HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, kKeeps, is_head_of_respond,
       true},
      {42, "HeadOfMissing", "HEAD /missing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, kKeeps, nullptr, true},
      {42, "HeadIgnoresRange", letters("Range: bytes=0-1\r\n", "HEAD"), 200, kKeeps, is_head, true},
      {43, "NotModified", letters(since), 304, kKeeps, keeps_the_tag},
      {43, "ModifiedSince", letters("If-Modified-Since: Tue, 31 Dec 2019 23:59:59 GMT\r\n"), 200, kKeeps,
       is_whole},
      {43, "NoneMatchWins", letters("If-None-Match: \"other\"\r\n" + since), 200, kKeeps, is_whole},
      {43, "NoneMatchStar", letters("If-None-Match: *\r\n"), 304, kKeeps, keeps_the_tag},
      {43, "NoMatch", letters("If-Match: \"other\"\r\n"), 412, kKeeps},
      {43, "MatchStar", letters("If-Match: *\r\n"), 200, kKeeps, is_whole},
      {43, "Unmodified", letters(unmodified), 200, kKeeps, is_whole},
      {43, "ModifiedMeanwhile", letters("If-Unmodified-Since: Tue, 31 Dec 2019 23:59:59 GMT\r\n"), 412,
       kKeeps},
      {43, "MatchWinsOverUnmodified",
       letters("If-Match: *\r\nIf-Unmodified-Since: Tue, 31 Dec 2019 23:59:59 GMT\r\n"), 200, kKeeps,
       is_whole},
      {43, "InvalidSince", letters("If-Modified-Since: yesterday\r\n"), 200, kKeeps, is_whole},
      {43, "InvalidUnmodified", letters("If-Unmodified-Since: 2019-12-31\r\n"), 200, kKeeps, is_whole},
      {44, "FirstLast", range("bytes=3-7"), 206, kKeeps, [](const Response& r) { is_part(r, 3, 5); }},
      {44, "Open", range("bytes=20-"), 206, kKeeps, [](const Response& r) { is_part(r, 20, 6); }},
      {44, "Suffix", range("bytes=-3"), 206, kKeeps, [](const Response& r) { is_part(r, 23, 3); }},
      {44, "SuffixTooLong", range("bytes=-30"), 206, kKeeps, [](const Response& r) { is_part(r, 0, 26); }},
      {44, "Clamped", range("bytes=20-99"), 206, kKeeps, [](const Response& r) { is_part(r, 20, 6); }},
      {44, "UnitInAnyCase", range("Bytes=0-0"), 206, kKeeps, [](const Response& r) { is_part(r, 0, 1); }},
      {44, "Several", range("bytes=0-1, 24-25"), 206, kKeeps, is_multipart},
      {44, "Coalesced", range("bytes=0-5,4-9"), 206, kKeeps, [](const Response& r) { is_part(r, 0, 10); }},
      {44, "Flood", range(seventeen_ranges()), 200, kKeeps, is_whole},
      {44, "Unsatisfiable", range("bytes=26-"), 416, kKeeps, names_the_length},
      {44, "EmptySuffix", range("bytes=-0"), 416, kKeeps, names_the_length},
      {44, "UnknownUnit", range("lines=0-1"), 200, kKeeps, is_whole},
      {44, "Backwards", range("bytes=7-3"), 200, kKeeps, is_whole},
      {44, "NotNumbers", range("bytes=a-b"), 200, kKeeps, is_whole},
      {44, "IfRangeOtherTag", range("bytes=0-1", "If-Range: \"other\"\r\n"), 200, kKeeps, is_whole},
      {44, "IfRangeDate", range("bytes=0-1", std::string("If-Range: ") + kModified + "\r\n"), 206, kKeeps,
       [](const Response& r) { is_part(r, 0, 2); }},
      {44, "IfRangeOtherDate", range("bytes=0-1", "If-Range: Thu, 02 Jan 2020 00:00:00 GMT\r\n"), 200, kKeeps,
       is_whole},
      {45, "FolderWithoutSlash", get("/folder"), 301, kKeeps, leads_to_folder},
      {45, "FolderKeepsQuery", get("/folder?a=1&b=%2F"), 301, kKeeps, leads_to_folder_with_query},
      {45, "DecodedOnce", get("/a%2541"), 200, kKeeps, is_percent_name},
      {45, "NotDecodedTwice", get("/letters%252Etxt"), 404, kKeeps},
      {45, "Decoded", get("/%6Cetters%2Etxt"), 200, kKeeps, is_whole},
      {45, "DotsInside", get("/folder/./../letters.txt"), 200, kKeeps, is_whole},
      {45, "DotsAboveRoot", get("/../secret.txt"), 400, kEither},
      {45, "EncodedDotsAboveRoot", get("/%2e%2E/secret.txt"), 400, kEither},
      {45, "EncodedSlash", get("/folder%2f..%2f..%2fsecret.txt"), 400, kEither},
      {45, "BrokenEscape", get("/letters%2"), 400, kEither},
      {45, "NoHexEscape", get("/letters%zz"), 400, kEither},
  };
}

std::string http_cases_config(const TempDir& folder) {
  static_cast<void>(folder.write("site/index.html", "<p>home</p>"));
  static_cast<void>(folder.write("site/a%41", "percent"));
  static_cast<void>(folder.write("site/folder/index.html", "<p>folder</p>"));
  static_cast<void>(folder.write("secret.txt", "secret"));
  const std::string file = folder.write("site/letters.txt", kLetters);
  const timespec times[2] = {{kModifiedTime, 0}, {kModifiedTime, 0}};
  ::utimensat(AT_FDCWD, file.c_str(), times, 0);
  return static_config("site", "", "") + R"(
[[site.route]]
path = "/ok"
respond = { body = "ok\n" }

[[site]]
hosts = ["other.example"]
[[site.route]]
path = "/"
respond = { body = "other\n" }
)";
}

}  // namespace baton::test
