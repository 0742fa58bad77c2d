#include "common/http/target.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace baton::http {
namespace {

// Nothing is shown as "refused", which no normalised path can be: it has no leading slash.
std::string normalized(std::string_view path) {
  std::vector<char> out(path.size() + 1);
  const auto result = normalize_path(path, out);
  return result ? std::string(*result) : "refused";
}

struct PathCase {
  std::string_view path;
  std::string_view expected;
};

class NormalizePath : public ::testing::TestWithParam<PathCase> {};

TEST_P(NormalizePath, Gives) {
  EXPECT_EQ(normalized(GetParam().path), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Plain, NormalizePath,
                         ::testing::Values(PathCase{"/", "/"}, PathCase{"/a", "/a"}, PathCase{"/a/", "/a/"},
                                           PathCase{"//", "/"}, PathCase{"//a///b//", "/a/b/"},
                                           PathCase{"/.a/..b/...", "/.a/..b/..."}));

INSTANTIATE_TEST_SUITE_P(Dots, NormalizePath,
                         ::testing::Values(PathCase{"/.", "/"}, PathCase{"/./", "/"}, PathCase{"/a/.", "/a/"},
                                           PathCase{"/a/./b", "/a/b"}, PathCase{"/a/..", "/"},
                                           PathCase{"/a/../", "/"}, PathCase{"/a/b/..", "/a/"},
                                           PathCase{"/a/b/../c", "/a/c"}, PathCase{"/a/b/../..", "/"},
                                           PathCase{"/a//../b", "/b"}));

INSTANTIATE_TEST_SUITE_P(LeavesTheRoot, NormalizePath,
                         ::testing::Values(PathCase{"/..", "refused"}, PathCase{"/../", "refused"},
                                           PathCase{"/../a", "refused"}, PathCase{"/a/../..", "refused"},
                                           PathCase{"/a/../../a", "refused"}, PathCase{"//..", "refused"},
                                           PathCase{"/./..", "refused"}, PathCase{"/%2e%2e", "refused"},
                                           PathCase{"/%2E%2e/a", "refused"}, PathCase{"/.%2e/a", "refused"},
                                           PathCase{"/..%2fa", "refused"},
                                           PathCase{"/%2e%2e%2Fetc", "refused"},
                                           PathCase{"/a%2f..%2f..", "refused"}));

INSTANTIATE_TEST_SUITE_P(Escapes, NormalizePath,
                         ::testing::Values(PathCase{"/%41%7a", "/Az"}, PathCase{"/a%20b", "/a b"},
                                           PathCase{"/a%2Fb", "/a/b"}, PathCase{"/a%2f%2Fb", "/a/b"},
                                           PathCase{"/%C3%A9", "/\xc3\xa9"}, PathCase{"/%ff", "/\xff"},
                                           PathCase{"/a%5c..", "/a\\.."}, PathCase{"/a%0Ab", "/a\nb"},
                                           PathCase{"/%3f%23", "/?#"}, PathCase{"/a/%2e%2e/b", "/b"},
                                           PathCase{"/a+b", "/a+b"}));

// Decoding twice would turn these into "..", a slash and a NUL.
INSTANTIATE_TEST_SUITE_P(DecodesOnce, NormalizePath,
                         ::testing::Values(PathCase{"/%252e%252e/a", "/%2e%2e/a"},
                                           PathCase{"/a%252fb", "/a%2fb"}, PathCase{"/%2500", "/%00"}));

INSTANTIATE_TEST_SUITE_P(Malformed, NormalizePath,
                         ::testing::Values(PathCase{"", "refused"}, PathCase{"*", "refused"},
                                           PathCase{"a", "refused"}, PathCase{"%2fa", "refused"},
                                           PathCase{"/%", "refused"}, PathCase{"/%4", "refused"},
                                           PathCase{"/%zz", "refused"}, PathCase{"/%4g", "refused"},
                                           PathCase{"/%g4", "refused"}, PathCase{"/%+4", "refused"},
                                           PathCase{"/a%00", "refused"}, PathCase{"/a%00.html", "refused"},
                                           PathCase{"/a/..%00/", "refused"},
                                           PathCase{{"/a\0b", 4}, "refused"}));

TEST(EncodePath, KeepsWhatAPathMayHold) {
  constexpr std::string_view kKept = "/AZaz09-._~!$&'()*+,;=:@/";
  EXPECT_EQ(encode_path(kKept), kKept);
}

TEST(EncodePath, EncodesEverythingElse) {
  EXPECT_EQ(encode_path("/a b?c#d%e"), "/a%20b%3Fc%23d%25e");
  EXPECT_EQ(encode_path("/\"<>\\^`{|}[]"), "/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D");
  EXPECT_EQ(encode_path("/\xc3\xa9\r\n\x7f"), "/%C3%A9%0D%0A%7F");
}

TEST(EncodePath, IsUndoneByNormalizePath) {
  std::string path = "/";
  for (int c = 1; c < 256; ++c) {
    if (c != '/') path += static_cast<char>(c);
  }
  EXPECT_EQ(normalized(encode_path(path)), path);
}

TEST(NormalizePathDeathTest, NeedsRoomForThePath) {
  std::vector<char> out(3);
  EXPECT_DEATH((void)normalize_path("/abc", out), "");
}

}  // namespace
}  // namespace baton::http
