#include "common/config/host_table.h"

#include <gtest/gtest.h>

#include <string>

namespace baton {
namespace {

class HostTableTest : public ::testing::Test {
 protected:
  HostTableTest() {
    hosts_.add("*.example.org", 1);
    hosts_.add("*.deep.example.org", 2);
    hosts_.add("www.example.org", 3);
    hosts_.add("*.org", 4);
  }
  // 0: none.
  int find(std::string_view name) const {
    const int* found = hosts_.find(name);
    return found != nullptr ? *found : 0;
  }

  HostTable<int> hosts_;
};

TEST_F(HostTableTest, AnExactNameWins) {
  EXPECT_EQ(find("www.example.org"), 3);
}

TEST_F(HostTableTest, TheLongestWildcardWins) {
  EXPECT_EQ(find("a.deep.example.org"), 2);
  EXPECT_EQ(find("a.b.example.org"), 1);
  EXPECT_EQ(find("example.org"), 4);
}

TEST_F(HostTableTest, TheCaseDoesNotMatter) {
  EXPECT_EQ(find("WWW.Example.ORG"), 3);
  EXPECT_EQ(find("A.DEEP.example.org"), 2);
}

TEST_F(HostTableTest, AWildcardNeedsALabelInFront) {
  EXPECT_EQ(find("deep.example.org"), 1);
  EXPECT_EQ(find(".org"), 0);
  EXPECT_EQ(find("org"), 0);
}

TEST_F(HostTableTest, OtherNamesAreOfNoSite) {
  EXPECT_EQ(find("example.com"), 0);
  EXPECT_EQ(find(""), 0);
  EXPECT_EQ(find(std::string(300, 'a') + ".example.org"), 0);
}

TEST_F(HostTableTest, TheFirstOneAddedWins) {
  hosts_.add("www.example.org", 9);
  hosts_.add("*.example.org", 9);
  EXPECT_EQ(find("www.example.org"), 3);
  EXPECT_EQ(find("a.example.org"), 1);
}

}  // namespace
}  // namespace baton
