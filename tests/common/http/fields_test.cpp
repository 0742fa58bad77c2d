#include "common/http/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace baton::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::pair<std::string, std::string>> pairs_of(const Fields& fields) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::size_t i = 0; i < fields.size(); ++i)
    pairs.emplace_back(std::string(fields[i].name), std::string(fields[i].value));
  return pairs;
}

Fields three() {
  Fields fields;
  fields.add("Vary", "Accept");
  fields.add("Set-Cookie", "");
  fields.add("vary", "Origin: x");
  return fields;
}

TEST(Fields, ArePairsAndLines) {
  const Fields fields = three();
  EXPECT_THAT(pairs_of(fields),
              ElementsAre(Pair("Vary", "Accept"), Pair("Set-Cookie", ""), Pair("vary", "Origin: x")));
  EXPECT_EQ(fields.lines(), "Vary: Accept\r\nSet-Cookie: \r\nvary: Origin: x\r\n");
}

TEST(Fields, OfANameAreRemovedInAnyCase) {
  Fields fields = three();
  fields.remove("VARY");
  EXPECT_THAT(pairs_of(fields), ElementsAre(Pair("Set-Cookie", "")));
  EXPECT_EQ(fields.lines(), "Set-Cookie: \r\n");
  EXPECT_FALSE(fields.has("vary"));
  EXPECT_TRUE(fields.has("set-cookie"));
  fields.remove("Set-Cooki");
  EXPECT_EQ(fields.size(), 1U);
  fields.add("A", "b");
  EXPECT_THAT(pairs_of(fields), ElementsAre(Pair("Set-Cookie", ""), Pair("A", "b")));
}

TEST(Fields, OfOthersAreAddedBehind) {
  Fields fields;
  fields.add("A", "b");
  fields.add(three());
  fields.remove("set-cookie");
  EXPECT_THAT(pairs_of(fields),
              ElementsAre(Pair("A", "b"), Pair("Vary", "Accept"), Pair("vary", "Origin: x")));
  fields.clear();
  EXPECT_THAT(pairs_of(fields), IsEmpty());
  EXPECT_EQ(fields.lines(), "");
}

}  // namespace
}  // namespace baton::http
