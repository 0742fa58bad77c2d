#include "common/http/request.h"

#include <gtest/gtest.h>

namespace baton::http {
namespace {

Request with_fields() {
  Request request;
  request.fields = {{"Accept", "text/html"}, {"ACCEPT", "text/plain"}, {"X-Empty", ""}};
  return request;
}

TEST(Request, FindsTheFirstFieldInAnyCase) {
  const Request request = with_fields();
  EXPECT_EQ(request.field("accept"), "text/html");
  EXPECT_TRUE(request.has_field("accept"));
  EXPECT_EQ(request.field("accep"), "");
  EXPECT_FALSE(request.has_field("accep"));
}

TEST(Request, TellsAnEmptyFieldFromNone) {
  const Request request = with_fields();
  EXPECT_EQ(request.field("x-empty"), "");
  EXPECT_TRUE(request.has_field("x-empty"));
}

TEST(Iequals, FoldsLettersOnly) {
  EXPECT_TRUE(iequals("Keep-Alive", "keep-alive"));
  EXPECT_TRUE(iequals("", ""));
  EXPECT_FALSE(iequals("keep", "keep-alive"));
  EXPECT_FALSE(iequals("A@", "a`"));  // '@' and '`' differ in the bit that letters differ in
  EXPECT_FALSE(iequals("\xc1", "\xe1"));
}

}  // namespace
}  // namespace baton::http
