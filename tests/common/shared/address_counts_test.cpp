#include "common/shared/address_counts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <memory>

namespace baton {
namespace {

Peer peer(const char* text) {
  sockaddr_storage storage{};
  auto& four = reinterpret_cast<sockaddr_in&>(storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET, text, &four.sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, text, &six.sin6_addr), 1) << text;
    storage.ss_family = AF_INET6;
  }
  return Peer::from_sockaddr(storage);
}

class AddressCountsTest : public ::testing::Test {
 protected:
  AddressKey key(const char* text) { return counts_->key_of(peer(text)); }
  std::uint32_t sum() const {
    std::uint32_t all = 0;
    for (const auto& counter : counts_->counters) all += counter.load();
    return all;
  }
  void look(AddressAudit& audit, std::initializer_list<AddressKey> there, int times = 1) {
    for (int i = 0; i < times; ++i) {
      audit.begin();
      for (const AddressKey address : there) audit.count(address);
      audit.end();
    }
  }

  std::unique_ptr<AddressCounts> counts_ = std::make_unique<AddressCounts>();
};

TEST_F(AddressCountsTest, EachAddressHasItsOwn) {
  counts_->key = {1, 2};
  EXPECT_NE(key("10.0.0.1"), key("10.0.0.2"));
  EXPECT_EQ(key("10.0.0.1"), key("::ffff:10.0.0.1"));
  EXPECT_EQ(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9")) << "one network";
  EXPECT_NE(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
  EXPECT_EQ(counts_->key_of(Peer{}), AddressCounts::kNone);
  const AddressKey before = key("10.0.0.1");
  counts_->key = {3, 4};
  EXPECT_NE(key("10.0.0.1"), before) << "nobody outside can tell";
}

TEST_F(AddressCountsTest, ComeAndGo) {
  const AddressKey one = key("10.0.0.1");
  const AddressKey two = key("10.0.0.2");
  EXPECT_EQ(counts_->add(one), 1U);
  EXPECT_EQ(counts_->add(one), 2U);
  EXPECT_EQ(counts_->add(two), 1U);
  counts_->remove(one);
  EXPECT_EQ(counts_->add(one), 2U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(counts_->add(AddressCounts::kNone), 1U);
  counts_->remove(AddressCounts::kNone);
  EXPECT_EQ(sum(), 6U);
}

// In one row they meet, in the other they do not.
TEST_F(AddressCountsTest, SharingOneCounterDoesNotMatter) {
  const AddressKey one = 5 + 7 * AddressCounts::kRow;
  const AddressKey two = 5 + 8 * AddressCounts::kRow;
  for (int i = 0; i < 100; ++i) counts_->add(one);
  EXPECT_EQ(counts_->add(two), 1U);
}

TEST_F(AddressCountsTest, WhatADeathLeavesIsCorrected) {
  AddressAudit audit(*counts_);
  const AddressKey one = key("10.0.0.1");
  const AddressKey two = key("10.0.0.2");
  for (int i = 0; i < 3; ++i) counts_->add(one);  // of which two are there
  look(audit, {one, one, two}, AddressAudit::kLooks - 1);
  EXPECT_EQ(sum(), 6U) << "not at once";
  look(audit, {one, one, two});
  EXPECT_EQ(counts_->add(one), 3U);
  EXPECT_EQ(counts_->add(two), 2U);
}

// Between the look at the slots and the look at the counters workers go on.
TEST_F(AddressCountsTest, WhatIsOnlySeenNowAndThenIsLeftAlone) {
  AddressAudit audit(*counts_);
  const AddressKey one = key("10.0.0.1");
  counts_->add(one);
  for (int i = 0; i < 4 * AddressAudit::kLooks; ++i) {
    if (i % 2 == 0)
      look(audit, {one, one});
    else
      look(audit, {});
  }
  EXPECT_EQ(sum(), 2U);
}

}  // namespace
}  // namespace baton
