#include "common/http/field_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace baton::http {
namespace {

using Strings = std::vector<std::string>;

Strings pieces_of(std::string_view text, Quoting quoting, char separator = ',') {
  Strings pieces;
  for_each_piece(text, separator, quoting, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

TEST(FieldList, SplitsOutsideQuotes) {
  struct Case {
    const char* text;
    Strings expected;
  };
  const Case cases[] = {
      {"", {}},
      {" ", {}},
      {",", {}},
      {" , ,\t,", {}},
      {"a", {"a"}},
      {"a,b", {"a", "b"}},
      {" a\t, ,b , c ", {"a", "b", "c"}},
      {"a b, c", {"a b", "c"}},
      {"\"a,b\", c", {"\"a,b\"", "c"}},
      {"x=\"a,b\";q=1, c", {"x=\"a,b\";q=1", "c"}},
      {"\"\",\"\"", {"\"\"", "\"\""}},
      {"\"a, b", {"\"a, b"}},
      {"a, \"", {"a", "\""}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(pieces_of(c.text, Quoting::kQuotedString), c.expected) << c.text;
    EXPECT_EQ(pieces_of(c.text, Quoting::kEntityTag), c.expected) << c.text;
  }
}

TEST(FieldList, BackslashEscapesInQuotedStringsOnly) {
  EXPECT_EQ(pieces_of(R"("a\", b", c)", Quoting::kQuotedString), (Strings{R"("a\", b")", "c"}));
  EXPECT_EQ(pieces_of(R"("a\", "b")", Quoting::kEntityTag), (Strings{R"("a\")", R"("b")"}));
  EXPECT_EQ(pieces_of(R"(a\,b)", Quoting::kQuotedString), (Strings{"a\\", "b"}));
  EXPECT_EQ(pieces_of("\"a\\", Quoting::kQuotedString), (Strings{"\"a\\"}));
}

TEST(FieldList, SplitsAtOtherSeparators) {
  EXPECT_EQ(pieces_of("a ; b=\"c;d\";e,f", Quoting::kQuotedString, ';'), (Strings{"a", "b=\"c;d\"", "e,f"}));
}

TEST(FieldList, GoesOverAllFieldsOfTheName) {
  Request request;
  request.fields = {{"Accept", "a, b"}, {"Accept-Encoding", "x"}, {"ACCEPT", "\"open"}, {"accept", "c"}};
  Strings elements;
  for_each_element(request, "accept", [&](std::string_view element) { elements.emplace_back(element); });
  EXPECT_EQ(elements, (Strings{"a", "b", "\"open", "c"}));
}

}  // namespace
}  // namespace baton::http
