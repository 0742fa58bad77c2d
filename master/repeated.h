// What happens again and again: the first few in a minute are told, the others counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace baton {

// Of each kind by itself, whatever the others do. A minute begins with the first that is told and has no other
// before it. As many kinds are told apart as there is room for; all that come beyond are one more kind.
class Repeated {
 public:
  static constexpr std::uint32_t kTold = 10;
  static constexpr std::uint64_t kMinuteNs = 60'000'000'000;
  static constexpr std::size_t kKinds = 64;

  // One that was only counted, for a kind whose minute is over.
  struct Counted {
    std::string what;  // as the first of them was described; empty: of kinds beyond kKinds
    std::uint64_t times = 0;
  };

  // One more. True: it is to be told. `what` describes the kind, where it is a new one.
  bool tell(const std::string& kind, const std::string& what, std::uint64_t now_ns);
  // At every tick: kinds whose minute is over are forgotten. Those with some that were only counted are
  // returned.
  std::vector<Counted> over(std::uint64_t now_ns);
  // The same of all, before the end.
  std::vector<Counted> all();

 private:
  struct Kind {
    std::string what;
    std::uint64_t begun_ns = 0;
    std::uint64_t times = 0;
  };
  template <typename Over>
  std::vector<Counted> take(Over over);

  std::map<std::string, Kind> kinds_;
};

}  // namespace baton
