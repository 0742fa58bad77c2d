#include "common/http/error_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::http {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ErrorHtml, IsSmallAndNeedsNothingElse) {
  const std::string page = error_html(404, "");
  EXPECT_LT(page.size(), 800U);
  EXPECT_THAT(page, HasSubstr("<title>404 Not Found</title>"));
  EXPECT_THAT(page, HasSubstr("<h1>404 Not Found</h1>"));
  EXPECT_THAT(page, HasSubstr("width=device-width"));
  EXPECT_THAT(page, HasSubstr("color-scheme:light dark"));
  for (const char* const outside : {"http:", "https:", "src=", "href=", "url(", "<script", "<p>"}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
}

TEST(ErrorHtml, EscapesTheDetail) {
  const std::string page = error_html(400, "<b>&\"'\xFF\n</b>");
  EXPECT_THAT(page, HasSubstr("<p>&lt;b&gt;&amp;&quot;&#39;\xEF\xBF\xBD\xEF\xBF\xBD&lt;/b&gt;</p>"));
}

TEST(ErrorJson, KeepsItsShape) {
  EXPECT_EQ(error_json(404, "No such page."),
            "{\"status\":404,\"error\":\"Not Found\",\"detail\":\"No such page.\"}\n");
  EXPECT_EQ(error_json(599, ""), "{\"status\":599,\"error\":\"Unknown\",\"detail\":\"\"}\n");
}

TEST(ErrorJson, EscapesTheDetail) {
  const std::string text = error_json(400, "a\"\\\n\x01\xC3\xA9\xFF");
  EXPECT_EQ(nlohmann::json::parse(text).at("detail"), "a\"\\\n\x01\xC3\xA9\xEF\xBF\xBD");
}

}  // namespace
}  // namespace baton::http
