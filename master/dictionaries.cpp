#include "master/dictionaries.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "common/base/log.h"
#include "common/base/printable.h"
#include "common/base/units.h"
#include "common/dict/object.h"

namespace baton {

namespace {

constexpr std::uint64_t kMinuteNs = 60'000'000'000;

static_assert(kDictEntries >= 2 * DictConfig::kMost, "a reload may replace all of them");

}  // namespace

Dictionaries::~Dictionaries() {
  for (const Live& live : live_) remove_dict(object_of(live.dict->name()));
}

std::string Dictionaries::object_of(std::string_view name) const {
  return dict_object_name(segment_.name(), name);
}

// -- making --

void Dictionaries::take_over() {
  for (DictEntry& entry : segment_.dicts()) {
    if (entry.used.load(std::memory_order_relaxed) == 0) continue;
    try {
      live_.push_back(
          {std::make_shared<OpenDict>(open_dict(object_of(text_of(entry.name))), entry), {}, {}, {}});
      Live& live = live_.back();
      live.evictions.told = entry.counters.evictions.load(std::memory_order_relaxed);
      live.repairs.told = entry.counters.repairs.load(std::memory_order_relaxed);
      live.damages.told = entry.counters.damages.load(std::memory_order_relaxed);
    } catch (const std::runtime_error& error) {
      log::error("the dictionary '{}' cannot go on, and begins empty: {}", printable(text_of(entry.name)),
                 error.what());
      entry.used.store(0, std::memory_order_release);
    }
  }
}

DictSet Dictionaries::prepare(const std::vector<DictConfig>& configs) {
  DictSet dicts;
  try {
    for (const DictConfig& config : configs) dicts.push_back(find_or_make(config));
  } catch (const std::runtime_error&) {
    dicts.clear();
    forget_unused();
    throw;
  }
  return dicts;
}

DictSet Dictionaries::prepare_possible(const std::vector<DictConfig>& configs) {
  DictSet dicts;
  for (const DictConfig& config : configs) {
    try {
      dicts.push_back(find_or_make(config));
    } catch (const std::runtime_error& error) {
      log::error("{}; going on without it", error.what());
    }
  }
  return dicts;
}

std::shared_ptr<OpenDict> Dictionaries::find_or_make(const DictConfig& config) {
  const auto found = std::find_if(live_.begin(), live_.end(),
                                  [&](const Live& live) { return live.dict->name() == config.name; });
  return found != live_.end() ? found->dict : make(config);
}

std::shared_ptr<OpenDict> Dictionaries::make(const DictConfig& config) {
  const DictBoard board = segment_.dicts();
  const auto entry = std::find_if(board.begin(), board.end(), [](const DictEntry& candidate) {
    return candidate.used.load(std::memory_order_relaxed) == 0;
  });
  if (entry == board.end())
    throw std::runtime_error("too many dictionaries: workers of earlier generations still use theirs");
  auto memory = create_dict(dict_object_name(segment_.name(), config.name), config.name, config.bytes);
  new (&*entry) DictEntry{};
  config.name.copy(entry->name, kMaxDictNameBytes);
  auto dict = std::make_shared<OpenDict>(std::move(memory), *entry);
  entry->size = config.bytes;
  entry->bytes_total = dict->dict().bytes_total();
  entry->used.store(1, std::memory_order_release);
  live_.push_back({dict, {}, {}, {}});
  return dict;
}

DictSet Dictionaries::all() const {
  DictSet dicts;
  for (const Live& live : live_) dicts.push_back(live.dict);
  return dicts;
}

std::string Dictionaries::remarks(const std::vector<DictConfig>& configs) const {
  std::string text;
  for (const Live& live : live_) {
    const bool resized = std::any_of(configs.begin(), configs.end(), [&](const DictConfig& config) {
      return config.name == live.dict->name() && config.bytes != live.dict->entry().size;
    });
    if (resized) {
      text += fmt::format("; the dictionary '{}' keeps its {} until the server is started again",
                          live.dict->name(), format_bytes(live.dict->entry().size));
    }
  }
  return text;
}

void Dictionaries::forget_unused() {
  std::erase_if(live_, [this](const Live& live) {
    if (live.dict.use_count() > 1) return false;
    live.dict->entry().used.store(0, std::memory_order_release);
    remove_dict(object_of(live.dict->name()));
    return true;
  });
}

// -- reporting --

std::uint64_t Dictionaries::News::take(const DictCounters::Counter& counter, std::uint64_t now_ns) {
  const std::uint64_t now = counter.load(std::memory_order_relaxed);
  if (now == told || now_ns < next_ns) return 0;
  const std::uint64_t more = now - told;
  told = now;
  next_ns = now_ns + kMinuteNs;
  return more;
}

void Dictionaries::watch(std::uint64_t now_ns) {
  for (Live& live : live_) {
    const DictCounters& counters = live.dict->entry().counters;
    const std::string_view name = live.dict->name();
    if (const std::uint64_t evicted = live.evictions.take(counters.evictions, now_ns); evicted != 0) {
      log::warn("the dictionary '{}' of {} is full: entries dropped before their time: {}", name,
                format_bytes(live.dict->entry().size), format_count(evicted));
    }
    if (const std::uint64_t repairs = live.repairs.take(counters.repairs, now_ns); repairs != 0) {
      log::warn("the dictionary '{}': a worker died in the middle of a call, put in order again{}", name,
                repairs == 1 ? "" : fmt::format(" ({} times)", repairs));
    }
    if (live.damages.take(counters.damages, now_ns) != 0) {
      log::error(
          "the dictionary '{}' was damaged, as by a wild write of a module: put in order again, {} entries "
          "lost since it was made",
          name, format_count(counters.lost.load(std::memory_order_relaxed)));
    }
  }
}

// -- rehearsing --

void Dictionaries::rehearse(const Segment& segment, const std::vector<DictConfig>& configs) {
  const auto is_live = [&segment](const DictConfig& config) {
    const DictBoard board = segment.dicts();
    return std::any_of(board.begin(), board.end(), [&config](const DictEntry& entry) {
      return entry.used.load(std::memory_order_acquire) != 0 && config.name == text_of(entry.name);
    });
  };
  for (const DictEntry& entry : segment.dicts()) {
    if (entry.used.load(std::memory_order_acquire) == 0) continue;
    try {
      static_cast<void>(open_dict(dict_object_name(segment.name(), text_of(entry.name))));
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(fmt::format("it cannot go on with the dictionary '{}': {}",
                                           printable(text_of(entry.name)), error.what()));
    }
  }
  std::uint64_t wanted = 0;
  for (const DictConfig& config : configs) wanted += is_live(config) ? 0 : config.bytes;
  struct statvfs room {};
  if (wanted == 0 || ::statvfs("/dev/shm", &room) != 0 || room.f_blocks == 0) return;
  const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
  if (wanted > free) {
    throw std::runtime_error(fmt::format("its new dictionaries need {} of /dev/shm, which has {} left",
                                         format_bytes(wanted), format_bytes(free)));
  }
}

}  // namespace baton
