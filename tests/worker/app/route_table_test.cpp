#include "worker/app/route_table.h"

#include <gtest/gtest.h>

namespace baton::app {
namespace {

using http::Method;

class Routes : public testing::Test {
 protected:
  // Numbers the handlers from 0, in the order added.
  void add(RouteTable::Methods method, std::string_view pattern) {
    EXPECT_EQ(table_.add(method, pattern, added_++), "");
  }
  // "0", with parameters "0 id=7 rest=a/b"; "405 Allow", or "404".
  std::string find(std::string_view path, Method method = Method::kGet) {
    RouteTable::Match match;
    table_.find(method, path, match);
    EXPECT_TRUE(match.path_found || !match.handler);
    if (!match.handler) return match.path_found ? "405 " + match.allow : "404";
    std::string text = std::to_string(*match.handler);
    for (std::size_t i = 0; i < match.param_count; ++i)
      text.append(" ").append(match.params[i].name).append("=").append(match.params[i].value);
    return text;
  }

  RouteTable table_;
  RouteTable::Handler added_ = 0;
};

TEST_F(Routes, AnEmptyTableFindsNothing) {
  for (const char* path : {"/", "", "/a", "//"}) EXPECT_EQ(find(path), "404");
}

TEST_F(Routes, LiteralsBeforeParametersBeforeTheRest) {
  add({}, "/*rest");
  add({}, "/users/:id");
  add({}, "/users/me");
  add({}, "/users/*rest");
  EXPECT_EQ(find("/users/me"), "2");
  EXPECT_EQ(find("/users/you"), "1 id=you");
  EXPECT_EQ(find("/users/you/x"), "3 rest=you/x");
  EXPECT_EQ(find("/users/"), "3 rest=");
  EXPECT_EQ(find("/users"), "0 rest=users");
  EXPECT_EQ(find("/"), "0 rest=");
  EXPECT_EQ(find("/x/y/"), "0 rest=x/y/");
}

TEST_F(Routes, ADeadEndIsLeftAgain) {
  add({}, "/a/b/c");
  add({}, "/a/:x/d");
  add({}, "/:y/b/e");
  add({}, "/*rest");
  EXPECT_EQ(find("/a/b/c"), "0");
  EXPECT_EQ(find("/a/b/d"), "1 x=b");
  EXPECT_EQ(find("/a/b/e"), "2 y=a");
  EXPECT_EQ(find("/a/b/f"), "3 rest=a/b/f") << "nothing of a dead end is left among the parameters";
}

TEST_F(Routes, EachPatternHasNamesOfItsOwn) {
  add(Method::kGet, "/:user/x");
  add(Method::kPut, "/:name/x");
  EXPECT_EQ(find("/a/x"), "0 user=a");
  EXPECT_EQ(find("/a/x", Method::kPut), "1 name=a");
}

TEST_F(Routes, SlashesCount) {
  add({}, "/a");
  add({}, "/b/");
  add({}, "/:p/c");
  EXPECT_EQ(find("/a/"), "404");
  EXPECT_EQ(find("/b"), "404");
  EXPECT_EQ(find("/b/"), "1");
  EXPECT_EQ(find("//c"), "404") << "a parameter is never empty";
}

TEST_F(Routes, Methods) {
  add(Method::kGet, "/a");
  add(Method::kPost, "/a");
  add({}, "/any");
  add(Method::kGet, "/any");
  add(Method::kHead, "/head");
  EXPECT_EQ(find("/a", Method::kHead), "0");
  EXPECT_EQ(find("/a", Method::kPost), "1");
  EXPECT_EQ(find("/a", Method::kPut), "405 GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(find("/a", Method::kOptions), "405 GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(find("/any", Method::kGet), "3");
  EXPECT_EQ(find("/any", Method::kPatch), "2");
  EXPECT_EQ(find("/any", Method::kHead), "3") << "GET's, before that of all methods";
  EXPECT_EQ(find("/any", Method::kTrace), "405 GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
  EXPECT_EQ(find("/head", Method::kGet), "405 HEAD, OPTIONS");
}

TEST_F(Routes, APatternForOtherMethodsHidesNone) {
  add(Method::kDelete, "/users/me");
  add(Method::kGet, "/users/:id");
  add(Method::kPost, "/*rest");
  EXPECT_EQ(find("/users/me"), "1 id=me");
  EXPECT_EQ(find("/users/me", Method::kPost), "2 rest=users/me");
  EXPECT_EQ(find("/users/me", Method::kPut), "405 GET, HEAD, POST, DELETE, OPTIONS") << "of all that match";
  EXPECT_EQ(find("/users/x", Method::kDelete), "405 GET, HEAD, POST, OPTIONS");
}

TEST_F(Routes, PatternsThatCannotBe) {
  add(Method::kGet, "/a/:x");
  const auto refused = [this](std::string_view pattern, RouteTable::Methods method = Method::kGet) {
    return !table_.add(method, pattern, 99).empty();
  };
  for (const char* pattern :
       {"", "a", "*rest", "/a//b", "//", "/:", "/*", "/:x/:x", "/:x/*x", "/*rest/b", "/*rest/"})
    EXPECT_TRUE(refused(pattern)) << pattern;
  EXPECT_TRUE(refused("/a/:y")) << "it is the same as /a/:x";
  EXPECT_FALSE(refused("/a/:y", Method::kPut));
  for (const Method method : {Method::kOptions, Method::kTrace, Method::kConnect})
    EXPECT_TRUE(refused("/m", method));
  EXPECT_NE(table_.add({}, "/:x/:x", 1).find("'/:x/:x'"), std::string::npos) << "the message names it";
}

TEST_F(Routes, NoMoreParametersThanThereIsRoomFor) {
  std::string pattern;
  std::string path;
  std::string expected = "0";
  for (std::size_t i = 0; i < kMaxParams; ++i) {
    pattern += "/:p" + std::to_string(i);
    path += "/" + std::to_string(i);
    expected += " p" + std::to_string(i) + "=" + std::to_string(i);
  }
  add({}, pattern);
  EXPECT_EQ(find(path), expected);
  EXPECT_EQ(find(path + "/x"), "404");
  EXPECT_FALSE(table_.add({}, pattern + "/:one-more", 1).empty());
  EXPECT_FALSE(table_.add({}, pattern + "/*rest", 1).empty());
  EXPECT_EQ(find(path + "/x"), "404") << "and what was refused is not found";
}

TEST_F(Routes, HostilePaths) {
  add({}, "/:a/:b/end");
  add({}, "/*rest");
  const std::string slashes(8'000, '/');
  EXPECT_EQ(find("/" + slashes), "1 rest=" + slashes);
  std::string deep;
  for (int i = 0; i < 4'000; ++i) deep += "/a";
  EXPECT_EQ(find(deep), "1 rest=" + deep.substr(1));
  EXPECT_EQ(find("/:a/:b/end"), "0 a=:a b=:b");
  EXPECT_EQ(find("/*rest"), "1 rest=*rest");
  const std::string nul("/a\0b", 4);
  EXPECT_EQ(find(nul), "1 rest=" + nul.substr(1));
}

// Every level has both a literal and a parameter, so that each path that fails at its end has been tried
// every way there is: as many as there are patterns, however long the path.
TEST_F(Routes, TheCostIsThatOfThePatterns) {
  constexpr unsigned kLevels = 12;
  for (unsigned bits = 0; bits < 1U << kLevels; ++bits) {
    std::string pattern;
    for (unsigned i = 0; i < kLevels; ++i)
      pattern += (bits >> i & 1U) != 0 ? "/:p" + std::to_string(i) : std::string("/a");
    add({}, pattern + "/end");
  }
  std::string path;
  for (unsigned i = 0; i < kLevels; ++i) path += "/a";
  EXPECT_EQ(find(path + "/end"), "0");
  EXPECT_EQ(find(path + "/other"), "404");
  for (int i = 0; i < 3'000; ++i) path += "/a";
  EXPECT_EQ(find(path), "404");
}

}  // namespace
}  // namespace baton::app
