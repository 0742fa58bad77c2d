// Runs an experiment twice: among forked processes, and among clones that share the descriptor table.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/epoll/epoll_set.h"
#include "tests/epoll/processes.h"
#include "tests/epoll/sockets.h"

namespace baton::facts {

class AmongProcesses : public ::testing::TestWithParam<Table> {
 protected:
  EpollSet set_;
};

inline std::string table_name(const ::testing::TestParamInfo<Table>& info) {
  return info.param == Table::kShared ? "SharedTable" : "CopiedTable";
}

inline auto both_tables() {
  return ::testing::Values(Table::kCopy, Table::kShared);
}

}  // namespace baton::facts
