// The site that the campaign serves.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/temp_dir.h"

namespace baton::survive {

struct Site {
  static constexpr std::uint64_t kHugeBytes = std::uint64_t{96} << 20;
  static constexpr std::uint64_t kLargeBytes = std::uint64_t{4} << 20;
  static constexpr std::uint64_t kMediumBytes = 100'000;  // more than the open-file table keeps in memory
  static constexpr int kSmallFiles = 16;
  // Each its own, so that an answer in another's place is seen.
  static constexpr std::uint64_t small_bytes(int index) {
    return 200 + static_cast<std::uint64_t>(index) * 37;
  }

  test::TempDir folder;

  Site();
  [[nodiscard]] std::string socket() const { return (folder.path() / "socket").string(); }
  [[nodiscard]] std::string config(unsigned workers, unsigned max_connections, bool tls) const;
};

}  // namespace baton::survive
