#include "common/http/html.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace baton::http {
namespace {

TEST(EscapeHtml, EscapesWhatMeansSomething) {
  EXPECT_EQ(escape_html("a<b>&\"c'd/\xC3\xA9"), "a&lt;b&gt;&amp;&quot;c&#39;d/\xC3\xA9");
  EXPECT_EQ(escape_html(""), "");
}

TEST(Displayable, ReplacesWhatIsNotUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::pair<std::string_view, std::string> cases[] = {
      {"plain", "plain"},
      {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
       "\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
      {"a\xFFz", "a" + bad + "z"},
      {"\x80", bad},
      {"\xC3", bad},
      {"\xC3z", bad + "z"},
      {"\xE2\x82", bad + bad},
      {"\xE2\x82z", bad + bad + "z"},
      {"\xC0\xAF", bad + bad},                      // overlong
      {"\xC1\xBF", bad + bad},                      // overlong
      {"\xE0\x9F\xBF", bad + bad + bad},            // overlong
      {"\xF0\x8F\xBF\xBF", bad + bad + bad + bad},  // overlong
      {"\xED\xA0\x80", bad + bad + bad},            // a surrogate
      {"\xF4\x90\x80\x80", bad + bad + bad + bad},  // above U+10FFFF
      {"\xF5\x80\x80\x80", bad + bad + bad + bad},
      {std::string_view("a\0\n\x1B\x7F", 5), "a" + bad + bad + bad + bad},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(displayable(text), expected) << expected;
}

}  // namespace
}  // namespace baton::http
