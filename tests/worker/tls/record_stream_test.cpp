// The arithmetic of RecordStream against a list of all records that is written out.
#include "worker/tls/record_stream.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "tests/support/single_step.h"
#include "worker/tls/record.h"

namespace baton::tls {
namespace {

using Item = RecordStream::Item;

struct Kind {
  TlsVersion version;
  TlsAead aead;
  std::uint64_t overhead;  // RFC 8446 5.2: type and tag. RFC 5288: nonce and tag. RFC 7905: tag
};
constexpr Kind kKinds[] = {
    {TlsVersion::kTls12, TlsAead::kAes128Gcm, 5 + 8 + 16},
    {TlsVersion::kTls12, TlsAead::kAes256Gcm, 5 + 8 + 16},
    {TlsVersion::kTls12, TlsAead::kChaCha20Poly1305, 5 + 16},
    {TlsVersion::kTls13, TlsAead::kAes128Gcm, 5 + 1 + 16},
    {TlsVersion::kTls13, TlsAead::kAes256Gcm, 5 + 1 + 16},
    {TlsVersion::kTls13, TlsAead::kChaCha20Poly1305, 5 + 1 + 16},
};

TlsState state_of(const Kind& kind, std::uint16_t max_plain) {
  TlsState state;
  state.version = kind.version;
  state.aead = kind.aead;
  state.max_plain = max_plain;
  return state;
}

// One record, counted from the connection's beginning on.
struct Record {
  Item item = Item::kNone;
  std::uint64_t at = 0;     // its first byte of ciphertext
  std::uint64_t bytes = 0;  // of ciphertext
  std::uint64_t plain_at = 0;
  std::uint64_t plain = 0;
  std::uint32_t generation = 0;
  std::uint64_t sequence = 0;

  bool operator==(const Record&) const = default;
};

std::vector<Record> list(const Kind& kind, std::uint64_t max_plain, const TlsResponse& response) {
  std::vector<Record> all;
  Record next{.at = response.at, .generation = response.generation, .sequence = response.sequence};
  const auto add = [&](Item item, std::uint64_t plain, std::uint64_t inner) {
    next.item = item;
    next.plain = plain;
    next.bytes = inner + kind.overhead;
    all.push_back(next);
    next.at += next.bytes;
    next.plain_at += plain;
    next.sequence += 1;
  };
  if (response.key_update) {
    add(Item::kKeyUpdate, 0, 5);
    next.generation += 1;
    next.sequence = 0;
  }
  std::uint64_t most = response.first != 0 ? response.first : max_plain;
  for (std::uint64_t left = response.plain; left > 0; left = response.plain - next.plain_at) {
    const std::uint64_t part = std::min(left, most);
    add(Item::kPlain, part, part);
    most = max_plain;
  }
  if (response.close_notify) add(Item::kCloseNotify, 0, 2);
  next.item = Item::kNone;
  next.bytes = next.plain = 0;
  all.push_back(next);
  return all;
}

// What the list says of `offset`, in the words of RecordStream.
void expect_place(const RecordStream& stream, const TlsResponse& response, const std::vector<Record>& all,
                  std::uint64_t offset) {
  const auto is_in = [&](const Record& record) {
    return record.item == Item::kNone || offset < record.at - response.at + record.bytes;
  };
  const Record& record = *std::find_if(all.begin(), all.end(), is_in);
  const RecordStream::Place place = stream.place_of(offset);
  ASSERT_EQ(place.item, record.item) << offset;
  ASSERT_EQ(place.start, record.at - response.at) << offset;
  ASSERT_EQ(place.plain, record.plain_at) << offset;
  ASSERT_EQ(stream.generation_of(place), record.generation) << offset;
  if (record.item == Item::kPlain) {
    ASSERT_EQ(place.length, record.plain) << offset;
  }
  if (record.item != Item::kNone) {
    ASSERT_EQ(stream.sequence_of(place), record.sequence) << offset;
  }
}

// The records that are left behind `offset`, the begun one included. A short first one that is not begun may be cut
// anew.
void expect_rest(const Kind& kind, std::uint64_t max_plain, const TlsResponse& response,
                 const std::vector<Record>& all, const TlsResponse& rest, std::uint64_t offset) {
  const auto is_left = [&](const Record& record) {
    return record.item == Item::kNone || offset < record.at - response.at + record.bytes;
  };
  const auto from = std::find_if(all.begin(), all.end(), is_left);
  const bool begun = offset > from->at - response.at;
  if (from->item == Item::kPlain && from->plain_at == 0 && !begun && response.first != 0) {
    ASSERT_EQ(rest.at, from->at);
    ASSERT_EQ(rest.sequence, from->sequence);
    ASSERT_EQ(rest.generation, from->generation);
    ASSERT_EQ(rest.plain, response.plain);
    ASSERT_EQ(rest.close_notify, response.close_notify);
    return;
  }
  std::vector<Record> left(from, all.end());
  for (Record& record : left) record.plain_at -= from->plain_at;
  ASSERT_EQ(list(kind, max_plain, rest), left) << offset;
}

std::set<std::uint64_t> offsets(const TlsResponse& response, const std::vector<Record>& all, bool every) {
  const std::uint64_t end = all.back().at - response.at;
  std::set<std::uint64_t> chosen{end, end + 1, end + 1'000};
  if (every) {
    for (std::uint64_t i = 0; i < end; ++i) chosen.insert(i);
  }
  for (const Record& record : all) {
    const std::uint64_t start = record.at - response.at;
    for (const std::uint64_t offset : {start - 1, start, start + 1, start + record.bytes / 2}) {
      if (offset <= end) chosen.insert(offset);
    }
  }
  return chosen;
}

// `every`: all offsets, not only those at the ends of records.
void check(const Kind& kind, std::uint16_t max_plain, const TlsResponse& response, bool every) {
  const TlsState state = state_of(kind, max_plain);
  const RecordStream stream(state, response);
  const std::vector<Record> all = list(kind, max_plain, response);
  const std::uint64_t end = all.back().at - response.at;
  ASSERT_EQ(stream.bytes(), end);
  ASSERT_EQ(stream.records(),
            static_cast<std::uint64_t>(std::count_if(
                all.begin(), all.end(), [](const Record& r) { return r.item == Item::kPlain; })));
  const TlsWriting after = stream.after();
  ASSERT_EQ(after.at, all.back().at);
  ASSERT_EQ(after.sequence, all.back().sequence);
  ASSERT_EQ(after.generation, all.back().generation);
  for (const std::uint64_t offset : offsets(response, all, every)) {
    ASSERT_NO_FATAL_FAILURE(expect_place(stream, response, all, offset));
    if (offset > end) continue;
    const TlsResponse rest = stream.rest(offset);
    ASSERT_NO_FATAL_FAILURE(expect_rest(kind, max_plain, response, all, rest, offset));
    const RecordStream further(state, rest);
    const std::uint64_t begins = rest.at - response.at;
    if (begins == offset) continue;  // if nothing is begun, it is a response like any other
    const std::vector<Record> left = list(kind, max_plain, rest);
    for (const std::uint64_t next : offsets(rest, left, false)) {
      if (next > left.back().at - rest.at) continue;
      const TlsResponse twice = further.rest(next);
      ASSERT_NO_FATAL_FAILURE(expect_rest(kind, max_plain, rest, left, twice, next));
      const TlsResponse once = stream.rest(begins + next);
      ASSERT_EQ(list(kind, max_plain, twice), list(kind, max_plain, once)) << offset << " " << next;
    }
  }
}

void check_all(std::uint16_t max_plain, bool every) {
  const std::uint32_t r = max_plain;
  for (const Kind& kind : kKinds) {
    for (const std::uint64_t plain :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{r - 1}, std::uint64_t{r}, std::uint64_t{r + 1},
          std::uint64_t{2 * r}, std::uint64_t{2 * r + 3}, std::uint64_t{5 * r}}) {
      for (const std::uint32_t first : {std::uint32_t{0}, std::uint32_t{1}, r / 2, r}) {
        for (int flags = 0; flags < 4; ++flags) {
          const bool key_update = (flags & 1) != 0 && kind.version == TlsVersion::kTls13;
          if ((flags & 1) != 0 && !key_update) continue;
          SCOPED_TRACE("plain " + std::to_string(plain) + ", first " + std::to_string(first) + ", flags " +
                       std::to_string(flags) + ", most " + std::to_string(max_plain));
          const TlsResponse response{.at = 1'234,
                                     .sequence = 77,
                                     .plain = plain,
                                     .generation = 3,
                                     .first = first,
                                     .key_update = key_update,
                                     .close_notify = (flags & 2) != 0,
                                     .next = {}};
          ASSERT_NO_FATAL_FAILURE(check(kind, max_plain, response, every));
        }
      }
    }
  }
}

TEST(RecordStream, AgreesWithAListAtEveryOffset) {
  check_all(6, true);
}

TEST(RecordStream, AgreesWithAListOfSmallRecords) {
  check_all(512, false);
}

TEST(RecordStream, AgreesWithAListOfLargeRecords) {
  check_all(kTlsMaxPlain, false);
}

// A dying worker may have written anything into shared memory, and the master does this arithmetic too.
TEST(RecordStream, AnyValueIsSafe) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  for (const std::uint16_t max_plain : {0, 1, 0xffff}) {
    TlsState state = state_of(kKinds[0], max_plain);
    for (const std::uint64_t plain : {std::uint64_t{0}, std::uint64_t{1}, kAll / 2, kAll}) {
      for (const std::uint32_t first : {0U, 1U, 0xffffffffU}) {
        const RecordStream stream(state, {.at = kAll,
                                          .sequence = kAll,
                                          .plain = plain,
                                          .generation = 0xffffffff,
                                          .first = first,
                                          .key_update = true,
                                          .close_notify = true,
                                          .next = {}});
        EXPECT_GT(stream.bytes(), 0U);
        for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{100}, kAll / 2, kAll}) {
          const RecordStream::Place place = stream.place_of(offset);
          EXPECT_LE(place.start, stream.bytes());
          EXPECT_LE(stream.rest(offset).plain, stream.rest(0).plain);
        }
      }
    }
  }
}

TEST(WritingNow, CountsWholeInterimResponses) {
  for (const Kind& kind : kKinds) {
    TlsState state = state_of(kind, 512);
    state.writing = {.at = 1'000, .sequence = 5, .generation = 2};
    const std::uint64_t interim = kTlsInterimPlain + kind.overhead;
    for (std::uint64_t since = 0; since <= 3 * interim; ++since) {
      state.written = 1'000 + since;
      TlsWriting now;
      ASSERT_EQ(writing_now(state, now), since % interim == 0) << since;
      if (since % interim != 0) continue;
      EXPECT_EQ(now.at, state.written);
      EXPECT_EQ(now.sequence, 5 + since / interim);
      EXPECT_EQ(now.generation, 2U);
    }
    state.written = 999;
    TlsWriting now;
    EXPECT_FALSE(writing_now(state, now));
  }
}

// -- readings

bool same(const TlsReading& a, const TlsReading& b) {
  return a.at == b.at && a.sequence == b.sequence && a.plain == b.plain && a.skip == b.skip &&
         a.generation == b.generation;
}

struct Step {
  const char* name;
  TlsReading next;
};

// What can come after a reading at ciphertext 100, plaintext 40.
const TlsReading kBegin{.at = 100, .sequence = 4, .plain = 40, .skip = 0, .generation = 0};
const Step kSteps[] = {
    {"a whole record", {.at = 150, .sequence = 5, .plain = 60, .skip = 0, .generation = 0}},
    {"a part of a record", {.at = 100, .sequence = 4, .plain = 50, .skip = 10, .generation = 0}},
    {"a part of a later record", {.at = 150, .sequence = 5, .plain = 65, .skip = 5, .generation = 0}},
    {"an empty record", {.at = 122, .sequence = 5, .plain = 40, .skip = 0, .generation = 0}},
    {"a KeyUpdate", {.at = 127, .sequence = 0, .plain = 40, .skip = 0, .generation = 1}},
};

class Readings : public testing::Test {
 protected:
  Readings() {
    void* const at =
        ::mmap(nullptr, sizeof(TlsState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    state_ = ::new (at) TlsState;
    state_->reading[0] = kBegin;
    state_->taken = kBegin.at;
  }
  ~Readings() override { ::munmap(state_, sizeof(TlsState)); }

  // Takes the step, and dies after each instruction on the way. Until the step can be seen, everything is as it
  // was; then it is as it shall be. And whoever does it again comes to the same.
  void die_on_the_way(const TlsReading& before, const TlsReading& next) {
    ASSERT_TRUE(same(reading_now(*state_), before));
    const bool shows_at_once = next.at <= state_->taken;
    test::SteppedProcess worker([&] { store_reading(*state_, next); });
    bool shown = false;
    while (worker.step()) {
      const TlsReading now = reading_now(*state_);
      if (same(now, before)) {
        ASSERT_FALSE(shown);
        continue;
      }
      ASSERT_TRUE(shows_at_once && same(now, next));
      shown = true;
    }
    ASSERT_EQ(shown, shows_at_once);
    for (; state_->taken < next.at; ++state_->taken) {
      ASSERT_TRUE(same(reading_now(*state_), before)) << state_->taken;
      if ((state_->taken & 15) == 0) store_reading(*state_, next);
    }
    ASSERT_TRUE(same(reading_now(*state_), next));
    store_reading(*state_, next);
    ASSERT_TRUE(same(reading_now(*state_), next));
  }

  TlsState* state_;
};

TEST_F(Readings, EveryTwoStepsInARow) {
  for (const Step& first : kSteps) {
    for (const Step& second : kSteps) {
      SCOPED_TRACE(std::string(first.name) + ", " + second.name);
      state_->reading[0] = kBegin;
      state_->reading[1] = {};
      state_->taken = kBegin.at;
      store_reading(*state_, first.next);
      state_->taken = first.next.at;
      TlsReading next = second.next;
      next.at = first.next.at + (second.next.at - kBegin.at);
      next.plain = first.next.plain + (second.next.plain - kBegin.plain);
      next.sequence =
          second.next.generation != 0 ? 0 : first.next.sequence + second.next.sequence - kBegin.sequence;
      next.generation = first.next.generation + second.next.generation;
      if (second.next.at == kBegin.at) next.skip += first.next.skip;
      ASSERT_NO_FATAL_FAILURE(die_on_the_way(first.next, next));
    }
  }
}

// A worker dies before it consumes, and the next one decides to take less, or more.
TEST_F(Readings, AStepThatWasNotTakenLeavesNothing) {
  for (const Step& planned : kSteps) {
    for (const Step& done : kSteps) {
      SCOPED_TRACE(std::string(planned.name) + ", then " + done.name);
      state_->reading[0] = kBegin;
      state_->reading[1] = {};
      state_->taken = kBegin.at;
      if (planned.next.at == kBegin.at) continue;  // it is taken by its store
      store_reading(*state_, planned.next);
      ASSERT_NO_FATAL_FAILURE(die_on_the_way(kBegin, done.next));
    }
  }
}

// An incomplete record leaves the socket before it is read. That is no step.
TEST_F(Readings, CiphertextThatIsKeptChangesNothing) {
  state_->taken = kBegin.at + 30;
  ASSERT_TRUE(same(reading_now(*state_), kBegin));
  ASSERT_NO_FATAL_FAILURE(die_on_the_way(kBegin, kSteps[0].next));
}

}  // namespace
}  // namespace baton::tls
