// A process dies in the middle of a call, between any two of its instructions: the call has then happened, or
// not at all, nothing is lost, and the next one who comes can work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/dict/shared_dict.h"
#include "tests/support/dict_check.h"
#include "tests/support/single_step.h"
#include "tests/support/test_dict.h"
#include "tests/support/wait.h"

namespace baton {
namespace {

using test::contents_of;
using test::DictContent;
using test::pass_ms;
using test::problem_of;
using test::SharedObject;
using test::SteppedProcess;
using test::TestDict;
using Contents = std::map<std::string, DictContent>;

constexpr char kKey[] = "key";

struct Call {
  const char* name;
  std::function<void(TestDict&)> prepare;
  std::function<void(SharedDict&)> call;  // concerns kKey, or no key in particular
};

void PrintTo(const Call& call, std::ostream* out) {
  *out << call.name;
}

std::string large(char c) {
  return std::string(700, c);
}

void fill(TestDict& dict) {
  for (int i = 0; dict.counters().evictions == 0; ++i) dict->set("filler" + std::to_string(i), large('f'), 0);
}

void some(TestDict& dict) {
  for (int i = 0; i < 6; ++i) dict->set("other" + std::to_string(i), large('o').substr(i * 100), i * 50);
}

const std::vector<Call>& calls() {
  static const std::vector<Call> all{
      {"get", [](TestDict& d) { d->set(kKey, large('a'), 10), some(d); },
       [](SharedDict& d) {
         std::string value;
         d.get(kKey, value);
       }},
      {"get_expired", [](TestDict& d) { d->set(kKey, large('a'), 10), some(d), pass_ms(20); },
       [](SharedDict& d) {
         std::string value;
         d.get(kKey, value);
       }},
      {"set_new", some, [](SharedDict& d) { d.set(kKey, large('a'), 30); }},
      {"set_larger", [](TestDict& d) { d->set(kKey, "a", 10), some(d); },
       [](SharedDict& d) { d.set(kKey, large('b'), 0); }},
      {"set_smaller", [](TestDict& d) { d->set(kKey, large('a'), 0), some(d); },
       [](SharedDict& d) { d.set(kKey, "b", 20); }},
      {"set_new_evicting", fill, [](SharedDict& d) { d.set(kKey, large('a') + large('b'), 0); }},
      {"set_again_evicting",
       [](TestDict& d) { d->set("first", large('f'), 0), d->set(kKey, large('a'), 0), fill(d); },
       [](SharedDict& d) { d.set(kKey, large('b') + large('c'), 0); }},
      {"set_dropping_expired", [](TestDict& d) { some(d), pass_ms(180); },
       [](SharedDict& d) { d.set(kKey, "a", 100); }},
      {"add", some, [](SharedDict& d) { d.add(kKey, "a", 10); }},
      {"add_in_vain", [](TestDict& d) { d->set(kKey, "a", 0), some(d); },
       [](SharedDict& d) { d.add(kKey, "b", 0); }},
      {"increment_new", some, [](SharedDict& d) { d.increment(kKey, 1, 41, 10, nullptr); }},
      {"increment", [](TestDict& d) { d->set(kKey, "999", 70), some(d); },
       [](SharedDict& d) { d.increment(kKey, 1, 0, 0, nullptr); }},
      {"compare_and_swap", [](TestDict& d) { d->set(kKey, large('a'), 0), some(d); },
       [](SharedDict& d) { d.compare_and_swap(kKey, large('a'), large('b'), 5); }},
      {"remove", [](TestDict& d) { d->set(kKey, large('a'), 10), some(d); },
       [](SharedDict& d) { d.remove(kKey); }},
      {"clear", [](TestDict& d) { d->set(kKey, large('a'), 10), some(d); }, [](SharedDict& d) { d.clear(); }},
  };
  return all;
}

// What a dictionary's memory looks like to others when `dead` has died in this moment: its copy, with the
// mutex as the kernel leaves it.
class Legacy {
 public:
  Legacy(const TestDict& dict, pid_t dead) : memory_(dict.bytes() / sizeof(std::uint64_t)) {
    std::memcpy(memory_.data(), dict.memory(), dict.bytes());
    auto& word = reinterpret_cast<std::uint32_t&>(header().mutex);
    held_ = (word & FUTEX_TID_MASK) == static_cast<std::uint32_t>(dead);
    if (held_) word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    dict_ = std::make_unique<SharedDict>(memory_.data(), counters_, test::test_clock);
  }

  // Whether the dead one had the lock: then the first call repairs.
  [[nodiscard]] bool held() const { return held_; }
  [[nodiscard]] SharedDict& dict() { return *dict_; }
  [[nodiscard]] const void* memory() const { return memory_.data(); }
  [[nodiscard]] DictHeader& header() { return *reinterpret_cast<DictHeader*>(memory_.data()); }
  [[nodiscard]] DictCounters& counters() { return counters_; }

  // Lets somebody come who changes nothing.
  void repair() {
    std::string value;
    EXPECT_EQ(dict_->get("nobody has this key", value), SharedDict::Status::kNotFound);
  }

 private:
  std::vector<std::uint64_t> memory_;
  DictCounters counters_;
  std::unique_ptr<SharedDict> dict_;
  bool held_ = false;
};

// Calls `look` at each moment of `call` in which the memory is another than before, and before the first.
void at_each_change(TestDict& dict, const std::function<void(SharedDict&)>& call,
                    const std::function<void(SteppedProcess&)>& look) {
  std::vector<char> before(dict.bytes());
  SteppedProcess process([&] { call(*dict); });
  look(process);
  std::memcpy(before.data(), dict.memory(), dict.bytes());
  while (process.step()) {
    if (std::memcmp(before.data(), dict.memory(), dict.bytes()) == 0) continue;
    std::memcpy(before.data(), dict.memory(), dict.bytes());
    look(process);
  }
}

class SharedDictDeath : public testing::TestWithParam<Call> {};

// Other keys than the one in question: what a call drops to have room may be gone, all else is there.
void expect_between(Contents now, Contents before, Contents after) {
  for (Contents* contents : {&now, &before, &after}) contents->erase(kKey);
  for (const auto& [key, content] : now) {
    ASSERT_TRUE(before.contains(key)) << key;
    EXPECT_EQ(content, before[key]) << key;
  }
  for (const auto& [key, content] : after) EXPECT_TRUE(now.contains(key)) << key;
}

std::optional<DictContent> of_key(const Contents& contents) {
  const auto found = contents.find(kKey);
  return found == contents.end() ? std::nullopt : std::optional(found->second);
}

TEST_P(SharedDictDeath, AtAnyInstructionTheCallHasHappenedOrNotAtAll) {
  TestDict dict;
  GetParam().prepare(dict);
  const Contents before = contents_of(dict.memory());
  Legacy reference(dict, 0);
  GetParam().call(reference.dict());
  const Contents after = contents_of(reference.memory());

  int moments = 0;
  int held = 0;
  bool happened = false;
  at_each_change(dict, GetParam().call, [&](const SteppedProcess& process) {
    if (testing::Test::HasFailure()) return;
    ++moments;
    Legacy legacy(dict, process.pid());
    held += legacy.held() ? 1 : 0;
    legacy.repair();
    ASSERT_EQ(problem_of(legacy.memory()), "") << "moment " << moments;
    EXPECT_EQ(legacy.counters().repairs, legacy.held() ? 1U : 0U);
    EXPECT_EQ(legacy.counters().damages, 0U);
    const Contents now = contents_of(legacy.memory());
    const auto value = of_key(now);
    if (happened || value != of_key(before)) {
      happened = true;
      ASSERT_EQ(value, of_key(after)) << "moment " << moments;
    }
    expect_between(now, before, after);
    EXPECT_EQ(legacy.dict().set(kKey, large('z'), 0), SharedDict::Status::kOk);
    ASSERT_EQ(problem_of(legacy.memory()), "") << "moment " << moments;
  });
  EXPECT_EQ(contents_of(dict.memory()), after);
  EXPECT_GT(held, 3);
  EXPECT_LT(held, moments);
}

// The same with the kernel's help: the process is really killed, and the mutex really taken over.
TEST_P(SharedDictDeath, ThoseWhoComeAfterAKilledProcessRepairAndGoOn) {
  constexpr int kKills = 5;
  int moments = 0;
  {
    TestDict dict;
    GetParam().prepare(dict);
    at_each_change(dict, GetParam().call, [&](const SteppedProcess&) { ++moments; });
  }
  std::uint64_t repairs = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    TestDict dict;
    GetParam().prepare(dict);
    int moment = 0;
    SteppedProcess process([&] { GetParam().call(*dict); });
    std::vector<char> before(dict.bytes());
    std::memcpy(before.data(), dict.memory(), dict.bytes());
    while (moment < moments * (2 * kill + 1) / (2 * kKills) && process.step()) {
      if (std::memcmp(before.data(), dict.memory(), dict.bytes()) == 0) continue;
      std::memcpy(before.data(), dict.memory(), dict.bytes());
      ++moment;
    }
    process.kill();
    EXPECT_EQ(dict->set("next", "1", 0), SharedDict::Status::kOk);
    ASSERT_EQ(problem_of(dict.memory()), "") << "killed at moment " << moment;
    EXPECT_EQ(dict.get("next"), "1");
    repairs += dict.counters().repairs;
  }
  EXPECT_GT(repairs, 0U);
}

INSTANTIATE_TEST_SUITE_P(Each, SharedDictDeath, testing::ValuesIn(calls()),
                         [](const auto& each) { return std::string(each.param.name); });

// Who repairs may die of it, too: the next one begins anew, and comes to the same.
TEST(SharedDictRepair, MayDieAtAnyInstruction) {
  TestDict dict;
  dict->set(kKey, large('a'), 10);
  some(dict);
  // Killed between publishing the new value and withdrawing the old one: the moment that leaves most to do.
  SteppedProcess first([&] { dict->set(kKey, large('b'), 20); });
  const auto published = [&dict] {
    int with_key = 0;
    const DictLayout at = DictLayout::of(dict.header().total_bytes);
    const auto* cells = reinterpret_cast<const DictCell*>(static_cast<const char*>(dict.memory()) + at.cells);
    for (CellIndex i = 1; i < dict.header().fresh; ++i)
      with_key += cells[i].sequence.load() != 0 && std::memcmp(cells[i].text, kKey, 3) == 0 ? 1 : 0;
    return with_key == 2;
  };
  while (!published()) ASSERT_TRUE(first.step());
  first.kill();
  Contents after;
  {
    Legacy reference(dict, 0);
    reference.repair();
    after = contents_of(reference.memory());
    ASSERT_EQ(after[kKey].value, large('b'));
    ASSERT_EQ(reference.counters().repairs, 1U);
  }
  int moments = 0;
  const auto get = [](SharedDict& d) {
    std::string value;
    d.get(kKey, value);
  };
  at_each_change(dict, get, [&](const SteppedProcess& process) {
    if (testing::Test::HasFailure()) return;
    ++moments;
    Legacy legacy(dict, process.pid());
    legacy.repair();
    ASSERT_EQ(problem_of(legacy.memory()), "") << "moment " << moments;
    ASSERT_EQ(contents_of(legacy.memory()), after) << "moment " << moments;
  });
  EXPECT_GT(moments, 50);
}

// Many processes, killed at moments that nobody has chosen.
TEST(SharedDictRepair, SurvivesRandomKills) {
  constexpr int kWorkers = 3;
  constexpr int kKills = 60;
  TestDict dict;
  SharedObject<std::atomic<std::uint64_t>> progress;
  const auto work = [&](unsigned seed) {
    while (true) {
      seed = seed * 1'103'515'245U + 12'345U;
      const std::string key = "k" + std::to_string(seed >> 16U & 63U);
      const std::size_t bytes = seed >> 8U & 1023U;
      switch (seed >> 24U & 7U) {
        case 0: dict->remove(key); break;
        case 1: dict->add(key, std::string(bytes, 'a'), 0); break;
        case 2: dict->increment("n" + key, 1, 0, 1'000, nullptr); break;
        case 3: dict->compare_and_swap(key, std::string(bytes, 'a'), "b", 0); break;
        case 4: dict.get(key); break;
        default: dict->set(key, std::string(bytes, 's'), bytes); break;
      }
      progress->fetch_add(1);
    }
  };
  std::vector<pid_t> workers(kWorkers, -1);
  const auto start = [&](pid_t& worker, unsigned seed) {
    worker = ::fork();
    ASSERT_GE(worker, 0);
    if (worker == 0) work(seed);
  };
  for (unsigned i = 0; i < kWorkers; ++i) start(workers[i], i);
  for (unsigned kill = 0; kill < kKills; ++kill) {
    const std::uint64_t now = progress->load();
    EXPECT_TRUE(test::wait_until([&] { return progress->load() > now + 20; })) << "nobody gets on";
    pid_t& victim = workers[kill % kWorkers];
    ::kill(victim, SIGKILL);
    ASSERT_EQ(::waitpid(victim, nullptr, 0), victim);
    start(victim, kill * 7'919U);
  }
  for (const pid_t worker : workers) {
    ::kill(worker, SIGKILL);
    ::waitpid(worker, nullptr, 0);
  }
  dict.get("k1");
  EXPECT_EQ(problem_of(dict.memory()), "");
  EXPECT_EQ(dict.counters().damages, 0U);
}

}  // namespace
}  // namespace baton
