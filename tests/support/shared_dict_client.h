// Lets a test use a dictionary of a running server: it maps the memory that the workers have mapped.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/dict/object.h"
#include "common/dict/shared_dict.h"
#include "tests/support/server.h"

namespace baton::test {

class DictClient {
 public:
  // Throws if the server has no dictionary of that name.
  DictClient(const Server& server, const std::string& name)
      : memory_(open_dict(dict_object_name(server.segment().name(), name))),
        segment_(map_to_write(server.segment().name())),
        dict_(std::make_unique<SharedDict>(memory_.get_address(), counters_of(server.segment(), name))) {}

  void set(std::string_view key, std::string_view value) {
    if (dict_->set(key, value, 0) != SharedDict::Status::kOk) throw std::runtime_error("set failed");
  }
  // "(none)" if the key is not there.
  [[nodiscard]] std::string get(std::string_view key) {
    std::string value;
    return dict_->get(key, value) == SharedDict::Status::kOk ? value : "(none)";
  }
  [[nodiscard]] DictHeader& header() const { return *static_cast<DictHeader*>(memory_.get_address()); }

 private:
  static boost::interprocess::mapped_region map_to_write(const std::string& name) {
    namespace bip = boost::interprocess;
    return {bip::shared_memory_object(bip::open_only, name.c_str(), bip::read_write), bip::read_write};
  }
  // `segment` maps the counters read-only. This is the same place in a mapping of our own.
  [[nodiscard]] DictCounters& counters_of(const Segment& segment, const std::string& name) const {
    for (DictEntry& entry : segment.dicts()) {
      if (entry.used.load() == 0 || entry.name != name) continue;
      const auto offset = reinterpret_cast<std::byte*>(&entry.counters) - segment.memory().data();
      return *reinterpret_cast<DictCounters*>(static_cast<char*>(segment_.get_address()) + offset);
    }
    throw std::runtime_error("the server tells of no dictionary " + name);
  }

  boost::interprocess::mapped_region memory_;
  boost::interprocess::mapped_region segment_;
  std::unique_ptr<SharedDict> dict_;
};

}  // namespace baton::test
