// The shared dictionaries of the instance, of all its generations.
//
// A name identifies a dictionary: a configuration that names a living dictionary gets that dictionary, with
// its content. A dictionary that no generation uses any more is removed, with its memory.
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
  // `segment` is the instance's own. This process must be the instance's master.
  explicit Dictionaries(Segment& segment) : segment_(segment) {}
  Dictionaries(const Dictionaries&) = delete;
  Dictionaries& operator=(const Dictionaries&) = delete;
  ~Dictionaries();  // removes the names of all dictionaries

  // At a start: removes what a predecessor that was killed has left.
  void remove_leftovers() const { remove_dicts_of(segment_.name()); }

  // After an upgrade: goes on with the dictionaries that the segment lists. If one cannot be used, although
  // the probe found nothing wrong with it, it is left out and begins empty, and the log says so.
  void take_over();

  // Returns the dictionaries of a configuration, and makes the new ones. Throws std::runtime_error, and then
  // nothing has changed.
  DictSet prepare(const std::vector<DictConfig>& configs);
  // The same when there is no way back: a dictionary that cannot be made is left out, and the log says so.
  DictSet prepare_possible(const std::vector<DictConfig>& configs);

  // All living dictionaries.
  [[nodiscard]] DictSet all() const;

  // What the report of a reload adds: "; the dictionary 'x' keeps its 16M until the server is started again".
  [[nodiscard]] std::string remarks(const std::vector<DictConfig>& configs) const;

  // Drops the dictionaries that no DictSet holds any more.
  void forget_unused();

  // Logs what the counters show, at most once a minute for each dictionary and kind of news.
  void watch(std::uint64_t now_ns);

  // For the program that an upgrade would execute: throws std::runtime_error if that program could not go on
  // with the dictionaries of the instance, or would have no room for the new ones.
  static void rehearse(const Segment& segment, const std::vector<DictConfig>& configs);

 private:
  struct News {
    std::uint64_t told = 0;  // the counter at the time of the last report
    std::uint64_t next_ns = 0;
    // How much there is to report. 0: nothing, or it is too early.
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
