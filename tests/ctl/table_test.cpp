#include "ctl/table.h"

#include <gtest/gtest.h>

#include <string>

namespace baton::ctl {
namespace {

TEST(Cut, KeepsWhatFitsAndMarksWhatIsMissing) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdefg", 6), "abc...");
  EXPECT_EQ(cut("abcdef", 3), "abc");
  EXPECT_EQ(cut("abcdef", 0), "");
}

TEST(Table, AlignsItsColumns) {
  Table table({{"N", Align::kRight}, {"NAME"}, {"SIZE", Align::kRight}});
  table.add_row({"1", "a", "5"});
  table.add_row({"100", "longer", "12345"});
  EXPECT_EQ(table.render({}),
            "  N  NAME     SIZE\n"
            "  1  a           5\n"
            "100  longer  12345\n");
}

TEST(Table, LeavesNoBlanksAtTheEndOfALine) {
  Table table({{"A"}, {"B"}});
  table.add_row({"1", ""});
  table.add_row({"2", "long"});
  EXPECT_EQ(table.render({}), "A  B\n1\n2  long\n");
}

TEST(Table, FillsUpMissingCells) {
  Table table({{"A"}, {"B"}});
  EXPECT_TRUE(table.empty());
  table.add_row({"1"});
  EXPECT_FALSE(table.empty());
  EXPECT_EQ(table.render({}), "A  B\n1\n");
}

TEST(Table, CutsTheLastColumnToTheDisplay) {
  Table table({{"FD", Align::kRight}, {"REQUEST"}});
  table.add_row({"12", "GET /a/rather/long/path HTTP/1.1"});
  EXPECT_EQ(table.render({20, false}), "FD  REQUEST\n12  GET /a/rather...\n");
  EXPECT_EQ(table.render({100, false}), "FD  REQUEST\n12  GET /a/rather/long/path HTTP/1.1\n");
}

TEST(Table, NeverCutsTheLastColumnToNothing) {
  Table table({{"FIRST"}, {"LAST"}});
  table.add_row({"a long first cell", "another long cell"});
  EXPECT_EQ(table.render({10, false}), "FIRST              LAST\na long first cell  anoth...\n");
}

TEST(Table, IsBoldOnlyInItsHeadingAndOnlyWhenAsked) {
  Table table({{"A"}});
  table.add_row({"1"});
  EXPECT_EQ(table.render({80, true}), "\x1b[1mA\x1b[0m\n1\n");
  EXPECT_EQ(table.render({80, false}), "A\n1\n");
}

}  // namespace
}  // namespace baton::ctl
