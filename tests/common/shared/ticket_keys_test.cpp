#include "common/shared/ticket_keys.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <span>
#include <string>

namespace baton {
namespace {

std::string bytes_of(const TicketKeySet& set) {
  return {reinterpret_cast<const char*>(&set), sizeof set};
}

std::span<const std::uint8_t, 16> name_of(const TicketKeySet& set) {
  return std::span<const std::uint8_t, 16>(set.name);
}

class TicketKeysTest : public ::testing::Test {
 protected:
  TicketKeysTest() { keys_.make(); }
  TicketKeySet current() const { return keys_.current(keys_.generation()).set; }
  // Whether the latest generation still decrypts with it.
  std::optional<TicketKeys::Found> find(const TicketKeySet& set) const {
    return keys_.find(keys_.generation(), name_of(set));
  }

  TicketKeys keys_;
};

TEST_F(TicketKeysTest, EveryRotationBringsAnotherSet) {
  std::set<std::string> seen;
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(seen.insert(bytes_of(current())).second);
    keys_.rotate();
  }
}

TEST_F(TicketKeysTest, ASetIsCurrentThenPreviousThenUnknown) {
  const TicketKeySet set = current();
  EXPECT_TRUE(find(set)->current);
  keys_.rotate();
  ASSERT_TRUE(find(set));
  EXPECT_FALSE(find(set)->current);
  EXPECT_EQ(bytes_of(find(set)->set), bytes_of(set));
  keys_.rotate();
  EXPECT_FALSE(find(set));
}

TEST_F(TicketKeysTest, TheNextSetIsKnownBeforeItIsCurrent) {
  const std::uint64_t before = keys_.generation();
  keys_.rotate();
  const TicketKeySet next = current();
  const auto found = keys_.find(before, name_of(next));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->current);
}

TEST_F(TicketKeysTest, AGenerationStaysWhatItWasForARotation) {
  const std::uint64_t generation = keys_.generation();
  const TicketKeySet set = current();
  keys_.rotate();
  const TicketKeySet next = current();
  EXPECT_EQ(bytes_of(keys_.current(generation).set), bytes_of(set));
  EXPECT_TRUE(keys_.find(generation, name_of(set))->current);
  EXPECT_EQ(bytes_of(keys_.find(generation, name_of(next))->set), bytes_of(next));
}

TEST_F(TicketKeysTest, AGenerationThatIsOverIsTheLatestOne) {
  const std::uint64_t generation = keys_.generation();
  const TicketKeySet set = current();
  keys_.rotate();
  keys_.rotate();
  EXPECT_EQ(bytes_of(keys_.current(generation).set), bytes_of(current()));
  EXPECT_FALSE(keys_.find(generation, name_of(set)));
}

// A reader that goes by the generation before the latest one may be copying its previous set.
TEST_F(TicketKeysTest, ASetIsOverwrittenAWholeGenerationAfterItLeftUse) {
  const std::string set = bytes_of(current());
  const auto in_memory = [&] {
    const std::string memory(reinterpret_cast<const char*>(&keys_), sizeof keys_);
    return memory.find(set) != std::string::npos;
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(in_memory());
    keys_.rotate();
  }
  EXPECT_TRUE(in_memory());
  keys_.rotate();
  EXPECT_FALSE(in_memory());
}

}  // namespace
}  // namespace baton
