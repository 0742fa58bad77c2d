// Conditional and range requests to real files (RFC 9110 13 and 14).
#include <sys/stat.h>

#include "tests/integration/shared_server.h"

namespace baton::test {

namespace {

constexpr std::size_t kSmall = 1'000;  // sent from memory
constexpr std::size_t kLarge = 300'000;
constexpr const char* kModified = "Wed, 01 Jan 2020 00:00:00 GMT";

const std::string& content(const std::string& target) {
  static const std::string small = noise(kSmall, 1);
  static const std::string large = noise(kLarge, 2);
  return target == "/small" ? small : large;
}

class Validators : public SharedServer<Validators> {
 public:
  static std::string prepare(const TempDir& folder) {
    const timespec times[2] = {{1'577'836'800, 0}, {1'577'836'800, 0}};
    for (const char* name : {"/small", "/large"}) {
      const std::string path = folder.write(std::string("site") + name, content(name));
      ::utimensat(AT_FDCWD, path.c_str(), times, 0);
    }
    folder.write("site/new", "new");
    folder.write("site/empty", "");
    return static_config("site");
  }
};

TEST_F(Validators, EveryFileHasThem) {
  const Response response = get("/small");
  const std::string tag = response.field("etag");
  EXPECT_TRUE(tag.size() > 2 && tag.front() == '"' && tag.back() == '"') << tag;
  EXPECT_EQ(response.field("last-modified"), kModified);
  EXPECT_NE(get("/large").field("etag"), tag);
}

TEST_F(Validators, IfNoneMatch) {
  for (const char* target : {"/small", "/large"}) {
    const std::string tag = get(target).field("etag");
    const auto status = [&](const std::string& value, const std::string& more = "") {
      return get(target, "If-None-Match: " + value + "\r\n" + more).status;
    };
    EXPECT_EQ(status(tag), 304);
    EXPECT_EQ(status("W/" + tag), 304);
    EXPECT_EQ(status("\"x\", W/\"y\", " + tag), 304);
    EXPECT_EQ(status("\"x\"", "If-None-Match: " + tag + "\r\n"), 304);
    EXPECT_EQ(status("*"), 304);
    EXPECT_EQ(status("\"x\""), 200);
    EXPECT_EQ(status("\"x\"", std::string("If-Modified-Since: ") + kModified + "\r\n"), 200);
    EXPECT_EQ(status(tag, "If-Modified-Since: Tue, 01 Jan 2019 00:00:00 GMT\r\n"), 304);
    EXPECT_EQ(status(tag, "Range: bytes=0-1\r\n"), 304);
  }
}

TEST_F(Validators, NotModifiedHasNoBodyAndKeepsTheConnection) {
  Client client = server_->connect();
  const std::string tag = client.get("/large").field("etag");
  for (int i = 0; i < 3; ++i) {
    const Response response = client.get("/large", "If-None-Match: " + tag + "\r\n");
    EXPECT_EQ(response.status, 304);
    EXPECT_EQ(response.field("etag"), tag);
    EXPECT_FALSE(response.has("content-type"));
  }
  EXPECT_TRUE(client.get("/large").body == content("/large"));
}

TEST_F(Validators, IfModifiedSince) {
  const auto status = [](const std::string& date) {
    return get("/small", "If-Modified-Since: " + date + "\r\n").status;
  };
  EXPECT_EQ(status(kModified), 304);
  EXPECT_EQ(status("Wednesday, 01-Jan-20 00:00:00 GMT"), 304);  // the two old forms (RFC 9110 5.6.7)
  EXPECT_EQ(status("Wed Jan  1 00:00:00 2020"), 304);
  EXPECT_EQ(status("Thu, 02 Jan 2020 00:00:00 GMT"), 304);
  EXPECT_EQ(status("Tue, 31 Dec 2019 23:59:59 GMT"), 200);
  EXPECT_EQ(status("Wed, 32 Jan 2020 00:00:00 GMT"), 200);
  EXPECT_EQ(status("now"), 200);
  EXPECT_EQ(status(""), 200);
}

TEST_F(Validators, IfMatchIsStrong) {
  const std::string tag = get("/small").field("etag");
  const auto status = [](const std::string& value, const std::string& more = "") {
    return get("/small", "If-Match: " + value + "\r\n" + more).status;
  };
  EXPECT_EQ(status(tag), 200);
  EXPECT_EQ(status("\"x\", " + tag), 200);
  EXPECT_EQ(status("*"), 200);
  EXPECT_EQ(status("\"x\""), 412);
  EXPECT_EQ(status("W/" + tag), 412);
  EXPECT_EQ(status(tag, "If-Unmodified-Since: Tue, 31 Dec 2019 23:59:59 GMT\r\n"), 200);
  EXPECT_EQ(status(tag, "If-None-Match: " + tag + "\r\n"), 304);
  EXPECT_EQ(get("/missing", "If-Match: *\r\n").status, 404);
}

TEST_F(Validators, IfUnmodifiedSince) {
  const auto status = [](const std::string& date) {
    return get("/small", "If-Unmodified-Since: " + date + "\r\n").status;
  };
  EXPECT_EQ(status(kModified), 200);
  EXPECT_EQ(status("Tue, 31 Dec 2019 23:59:59 GMT"), 412);
  EXPECT_EQ(status("soon"), 200);
}

// -- ranges

struct Part {
  std::size_t first = 0;
  std::size_t length = 0;
};

// What the server must answer with, and how it says it.
void expect_part(const std::string& target, const std::string& range, Part part,
                 const std::string& more = "") {
  SCOPED_TRACE(target + " " + range);
  const Response response = Validators::get(target, "Range: " + range + "\r\n" + more);
  EXPECT_EQ(response.status, 206);
  EXPECT_TRUE(response.body == content(target).substr(part.first, part.length));
  EXPECT_EQ(response.field("content-range"), "bytes " + std::to_string(part.first) + "-" +
                                                 std::to_string(part.first + part.length - 1) + "/" +
                                                 std::to_string(content(target).size()));
  EXPECT_EQ(response.field("content-length"), std::to_string(part.length));
}

void expect_whole(const std::string& target, const std::string& fields) {
  SCOPED_TRACE(target + " " + fields);
  const Response response = Validators::get(target, fields);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.body == content(target));
  EXPECT_FALSE(response.has("content-range"));
}

// Builds the whole multipart body from `parts` and compares, so that every byte of it is accounted for.
void expect_parts(const std::string& target, const std::string& range, const std::vector<Part>& parts) {
  SCOPED_TRACE(target + " " + range);
  const Response response = Validators::get(target, "Range: " + range + "\r\n");
  EXPECT_EQ(response.status, 206);
  const std::string type = "multipart/byteranges; boundary=";
  ASSERT_TRUE(response.field("content-type").starts_with(type)) << response.head;
  const std::string boundary = "--" + response.field("content-type").substr(type.size());
  std::string expected;
  for (const Part& part : parts) {
    expected +=
        (expected.empty() ? "" : "\r\n") + boundary + "\r\nContent-Type: application/octet-stream\r\n";
    expected += "Content-Range: bytes " + std::to_string(part.first) + "-" +
                std::to_string(part.first + part.length - 1) + "/" + std::to_string(content(target).size());
    expected += "\r\n\r\n" + content(target).substr(part.first, part.length);
  }
  EXPECT_TRUE(response.body == expected + "\r\n" + boundary + "--\r\n");
}

TEST_F(Validators, OneRange) {
  for (const char* target : {"/small", "/large"}) {
    const std::size_t size = content(target).size();
    const std::string last = std::to_string(size - 1);
    expect_part(target, "bytes=0-0", {0, 1});
    expect_part(target, "bytes=0-" + last, {0, size});
    expect_part(target, "bytes=" + last + "-", {size - 1, 1});
    expect_part(target, "bytes=500-", {500, size - 500});
    expect_part(target, "bytes=-7", {size - 7, 7});
    expect_part(target, "bytes=-99999999", {0, size});
    expect_part(target, "bytes=10-18446744073709551616", {10, size - 10});
    expect_part(target, "bytes=3-5,900000-", {3, 3});  // what cannot be had is left out
    expect_part(target, "bytes=0-99,50-149,150-199", {0, 200});
  }
}

TEST_F(Validators, SeveralRanges) {
  for (const char* target : {"/small", "/large"}) {
    const std::size_t size = content(target).size();
    expect_parts(target, "bytes=0-9,20-29", {{0, 10}, {20, 10}});
    expect_parts(target, "bytes=900-909, 0-0 ,-5", {{900, 10}, {0, 1}, {size - 5, 5}});
    expect_parts(target, "bytes=0-9,300-309,5-19", {{0, 20}, {300, 10}});
  }
  expect_parts("/large", "bytes=0-99999,150000-", {{0, 100'000}, {150'000, 150'000}});
}

TEST_F(Validators, SixteenRangesAtMost) {
  std::string sixteen = "bytes=0-0";
  std::vector<Part> parts{{0, 1}};
  for (std::size_t at = 10; at <= 150; at += 10) {
    sixteen += "," + std::to_string(at) + "-" + std::to_string(at);
    parts.push_back({at, 1});
  }
  expect_parts("/small", sixteen, parts);
  expect_whole("/small", "Range: " + sixteen + ",160-160\r\n");
  std::string flood = "Range: bytes=0-";
  while (flood.size() < 12'000) flood += ",0-";
  expect_whole("/small", flood + "\r\n");
}

TEST_F(Validators, UnsatisfiableRange) {
  for (const char* range : {"bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=4000-5000,6000-"}) {
    const Response response = get("/small", std::string("Range: ") + range + "\r\n");
    EXPECT_EQ(response.status, 416) << range;
    EXPECT_EQ(response.field("content-range"), "bytes */1000");
  }
  EXPECT_EQ(get("/empty", "Range: bytes=0-0\r\n").field("content-range"), "bytes */0");
}

TEST_F(Validators, RangesThatAreNoneAreIgnored) {
  for (const char* range :
       {"lines=0-1", "bytes=", "bytes=x-y", "bytes=5-2", "bytes 0-1", "bytes=0-1,x", "bytes=--1"}) {
    expect_whole("/small", std::string("Range: ") + range + "\r\n");
  }
}

TEST_F(Validators, IfRange) {
  const std::string range = "Range: bytes=0-1\r\n";
  for (const char* target : {"/small", "/large"}) {
    const std::string tag = get(target).field("etag");
    expect_part(target, "bytes=0-1", {0, 2}, "If-Range: " + tag + "\r\n");
    expect_part(target, "bytes=0-1", {0, 2}, std::string("If-Range: ") + kModified + "\r\n");
    expect_whole(target, range + "If-Range: W/" + tag + "\r\n");
    expect_whole(target, range + "If-Range: \"x\"\r\n");
    expect_whole(target, range + "If-Range: Thu, 02 Jan 2020 00:00:00 GMT\r\n");
    expect_whole(target, range + "If-Range: nonsense\r\n");
    expect_whole(target, "Range: bytes=9999999-\r\nIf-Range: \"x\"\r\n");
  }
}

TEST_F(Validators, RangeIsForGetAlone) {
  const Response response = ask("HEAD", "/small", "Range: bytes=0-1\r\n");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.field("content-length"), "1000");
}

}  // namespace

}  // namespace baton::test
