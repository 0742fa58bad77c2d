#include "common/http/status.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace baton::http {
namespace {

TEST(ReasonPhrase, NamesRegisteredCodes) {
  EXPECT_EQ(reason_phrase(100), "Continue");
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(304), "Not Modified");
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(413), "Content Too Large");
  EXPECT_EQ(reason_phrase(422), "Unprocessable Content");
  EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
}

TEST(ReasonPhrase, KnowsNoOthers) {
  for (const int status : {-1, 0, 99, 199, 306, 418, 419, 430, 512, 599, 999, 100'000}) {
    EXPECT_EQ(reason_phrase(status), "Unknown") << status;
  }
}

TEST(StatusLine, StandsForTheServersOwnCodesOnly) {
  const std::set<int> own = {200, 204, 206, 301, 302, 303, 304, 307, 308, 400, 403, 404, 405,
                             408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 504, 505};
  for (int status = -10; status < 1'100; ++status) {
    const std::string expected =
        "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_phrase(status)) + "\r\n";
    EXPECT_EQ(status_line(status), own.contains(status) ? expected : "") << status;
  }
  EXPECT_EQ(status_line(200), "HTTP/1.1 200 OK\r\n");
}

}  // namespace
}  // namespace baton::http
