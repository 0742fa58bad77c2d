// The shared dictionaries of the instance, over all its generations.
//
// A dictionary is known by its name: a configuration that has the name of one that lives gets that one, with
// what is in it. One that no generation has any more goes, with its memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/dict/object.h"
#include "common/dict/open_dict.h"
#include "common/shared/segment.h"

namespace baton {

class Dictionaries {
 public:
  // `segment`: the instance's own, and this process its master.
  explicit Dictionaries(Segment& segment) : segment_(segment) {}
  Dictionaries(const Dictionaries&) = delete;
  Dictionaries& operator=(const Dictionaries&) = delete;
  ~Dictionaries();  // removes the names of all

  // At a start: what a predecessor that was killed has left.
  void remove_leftovers() const { remove_dicts_of(segment_.name()); }

  // After an upgrade: goes on with what the segment tells of. One that cannot be used (the probe has found
  // nothing wrong with it) is left out, which the log says, and begins empty.
  void take_over();

  // Those of a configuration; what is new is made. Throws std::runtime_error, and then nothing has changed.
  DictSet prepare(const std::vector<DictConfig>& configs);
  // The same, for when there is no way back: what cannot be made is left out, and the log says so.
  DictSet prepare_possible(const std::vector<DictConfig>& configs);

  // All that live.
  [[nodiscard]] DictSet all() const;

  // What a reload has to tell: "; the dictionary 'x' keeps its 16M until the server is started again".
  [[nodiscard]] std::string remarks(const std::vector<DictConfig>& configs) const;

  // Drops those that no DictSet has any more.
  void forget_unused();

  // Says in the log what the counters say, at most once a minute for each dictionary and kind of news.
  void watch(std::uint64_t now_ns);

  // For the program that an upgrade would execute: throws std::runtime_error when it could not go on with the
  // dictionaries of the instance, or would have no room for the new ones.
  static void rehearse(const Segment& segment, const std::vector<DictConfig>& configs);

 private:
  struct News {
    std::uint64_t told = 0;  // the counter, when it was last told
    std::uint64_t next_ns = 0;
    // How much there is to tell; 0: nothing, or too early.
    std::uint64_t take(const DictCounters::Counter& counter, std::uint64_t now_ns);
  };
  struct Live {
    std::shared_ptr<OpenDict> dict;
    News evictions;
    News repairs;
    News damages;
  };

  std::shared_ptr<OpenDict> find_or_make(const DictConfig& config);
  std::shared_ptr<OpenDict> make(const DictConfig& config);
  [[nodiscard]] std::string object_of(std::string_view name) const;

  Segment& segment_;
  std::vector<Live> live_;
};

}  // namespace baton
