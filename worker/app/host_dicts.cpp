#include "worker/app/host_dicts.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "worker/app/protection.h"
#include "worker/app/text.h"

namespace baton::app {

namespace {

// If `found` has more capacity than this, it is freed after a smaller value.
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;

OpenDicts own_dicts;

// The value that the last call of this thread has found.
thread_local std::string found;

int code(SharedDict::Status status) {
  switch (status) {
    case SharedDict::Status::kOk: return BATON_DICT_OK;
    case SharedDict::Status::kNotFound: return BATON_DICT_NOT_FOUND;
    case SharedDict::Status::kExists: return BATON_DICT_EXISTS;
    case SharedDict::Status::kMismatch: return BATON_DICT_MISMATCH;
    case SharedDict::Status::kNotANumber: return BATON_DICT_NOT_A_NUMBER;
    case SharedDict::Status::kTooLarge: return BATON_DICT_TOO_LARGE;
  }
  return BATON_DICT_NOT_FOUND;
}

SharedDict& dict_of(baton_dict* dict) {
  return *reinterpret_cast<SharedDict*>(dict);
}

// Makes a call that takes the dictionary's lock. The thread may write to shared memory for just as long. An
// exception, for example if memory is short, must not get into the module's code: it ends the worker.
template <typename Call>
int call(baton_dict* dict, int without, Call what) noexcept {
  if (dict == nullptr) return without;
  const Protection::Writing writing;
  return code(what(dict_of(dict)));
}

baton_dict* open(baton_text name) {
  const auto dict = std::find_if(own_dicts.begin(), own_dicts.end(),
                                 [&](const auto& candidate) { return candidate->name() == view(name); });
  return dict == own_dicts.end() ? nullptr : reinterpret_cast<baton_dict*>(&(*dict)->dict());
}

int get(baton_dict* dict, baton_text key, baton_text* value) {
  const int result = call(dict, BATON_DICT_NOT_FOUND, [&](SharedDict& d) {
    const auto status = d.get(view(key), found);
    if (found.capacity() > kKeptBytes && found.size() <= kKeptBytes) found.shrink_to_fit();
    return status;
  });
  if (result != BATON_DICT_OK) found.clear();
  if (value != nullptr) *value = {found.data(), found.size()};
  return result;
}

void stats(baton_dict* dict, baton_dict_stats* stats) {
  if (stats == nullptr) return;
  baton_dict_stats now{};
  now.struct_size = stats->struct_size;
  if (dict != nullptr) {
    const DictCounters& counters = dict_of(dict).counters();
    const auto read = [](const DictCounters::Counter& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    now.entries = read(counters.entries);
    now.bytes_used = read(counters.bytes_used);
    now.bytes_total = dict_of(dict).bytes_total();
    now.hits = read(counters.hits);
    now.misses = read(counters.misses);
    now.evictions = read(counters.evictions);
    now.expired = read(counters.expired);
    now.repairs = read(counters.repairs);
  }
  // A module that was compiled with an older header has room for fewer members.
  std::memcpy(stats, &now, std::min<std::size_t>(stats->struct_size, sizeof now));
}

}  // namespace

void add_functions_of_dicts(baton_host& host, OpenDicts dicts) {
  own_dicts = dicts;
  host.dict_open = open;
  host.dict_get = get;
  host.dict_set = [](baton_dict* dict, baton_text key, baton_text value, std::uint64_t ttl_ms) {
    return call(dict, BATON_DICT_TOO_LARGE,
                [&](SharedDict& d) { return d.set(view(key), view(value), ttl_ms); });
  };
  host.dict_add = [](baton_dict* dict, baton_text key, baton_text value, std::uint64_t ttl_ms) {
    return call(dict, BATON_DICT_TOO_LARGE,
                [&](SharedDict& d) { return d.add(view(key), view(value), ttl_ms); });
  };
  host.dict_increment = [](baton_dict* dict, baton_text key, std::int64_t delta, std::int64_t initial,
                           std::uint64_t ttl_ms, std::int64_t* result) {
    return call(dict, BATON_DICT_TOO_LARGE,
                [&](SharedDict& d) { return d.increment(view(key), delta, initial, ttl_ms, result); });
  };
  host.dict_compare_and_swap = [](baton_dict* dict, baton_text key, baton_text expected, baton_text value,
                                  std::uint64_t ttl_ms) {
    return call(dict, BATON_DICT_NOT_FOUND, [&](SharedDict& d) {
      return d.compare_and_swap(view(key), view(expected), view(value), ttl_ms);
    });
  };
  host.dict_remove = [](baton_dict* dict, baton_text key) {
    return call(dict, BATON_DICT_NOT_FOUND, [&](SharedDict& d) { return d.remove(view(key)); });
  };
  host.dict_clear = [](baton_dict* dict) {
    call(dict, BATON_DICT_OK, [](SharedDict& d) {
      d.clear();
      return SharedDict::Status::kOk;
    });
  };
  host.dict_stats = stats;
}

}  // namespace baton::app
