#include "common/dict/object.h"

#include <sys/stat.h>

#include <boost/interprocess/shared_memory_object.hpp>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "common/base/fnv.h"
#include "common/dict/layout.h"
#include "common/shared/reserve_memory.h"
#include "common/shared/shm_owner.h"

namespace baton {

namespace bip = boost::interprocess;

namespace {

constexpr char kMagic[8] = {'b', 'a', 't', 'o', 'n', 'd', 'c', 't'};

std::uint64_t dict_fingerprint() {
  const std::size_t facts[] = {
      sizeof(DictHeader),          offsetof(DictHeader, hash_key),  offsetof(DictHeader, mutex),
      sizeof(RobustMutex),         offsetof(DictHeader, clock),     offsetof(DictHeader, cleared),
      offsetof(DictHeader, fresh), offsetof(DictHeader, heap_size), sizeof(DictCell),
      offsetof(DictCell, used),    offsetof(DictCell, expires_ns),  offsetof(DictCell, key_bytes),
      offsetof(DictCell, heap_at), offsetof(DictCell, text),        DictLayout::kHeaderBytes};
  Fnv1a hash;
  for (const std::size_t fact : facts) hash.add(std::uint64_t{fact});
  return hash.value();
}

void initialize(void* memory, std::string_view dict, std::uint64_t bytes) {
  DictHeader& header = *new (memory) DictHeader{};
  header.layout_version = DictHeader::kLayoutVersion;
  header.cell_count = DictLayout::of(bytes).cell_count;
  header.fingerprint = dict_fingerprint();
  header.total_bytes = bytes;
  header.hash_key = random_sip_key();
  dict.copy(header.name, kMaxDictNameBytes);
  header.mutex.create();
  std::memcpy(header.magic, kMagic, sizeof kMagic);
}

void check(const DictHeader& header, std::uint64_t bytes) {
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0)
    throw std::runtime_error("it is not a baton dictionary");
  if (header.layout_version != DictHeader::kLayoutVersion) {
    throw std::runtime_error("its layout is version " + std::to_string(header.layout_version) +
                             ", this program's is " + std::to_string(DictHeader::kLayoutVersion));
  }
  if (header.fingerprint != dict_fingerprint())
    throw std::runtime_error("its layout is that of another build of baton, with other sizes");
  if (header.total_bytes != bytes || header.cell_count != DictLayout::of(bytes).cell_count)
    throw std::runtime_error("its sizes do not fit together");
}

}  // namespace

std::string dict_object_name(const std::string& segment, std::string_view dict) {
  return segment + "." + std::string(dict);
}

bip::mapped_region create_dict(const std::string& object, std::string_view dict, std::uint64_t bytes) {
  remove_dict(object);
  try {
    if (const std::string doubt = doubt_about_name(object); !doubt.empty()) throw std::runtime_error(doubt);
    bip::permissions permissions;
    permissions.set_permissions(0600);
    bip::shared_memory_object memory(bip::create_only, object.c_str(), bip::read_write, permissions);
    reserve_memory(memory, bytes);
    bip::mapped_region region(memory, bip::read_write);
    initialize(region.get_address(), dict, bytes);
    return region;
  } catch (const std::exception& error) {  // interprocess_exception is one
    remove_dict(object);
    throw std::runtime_error("cannot create the dictionary '" + std::string(dict) + "' of " +
                             std::to_string(bytes >> 10) + " KiB as /dev/shm/" + object + ": " +
                             error.what());
  }
}

bip::mapped_region open_dict(const std::string& object) {
  try {
    bip::shared_memory_object memory(bip::open_only, object.c_str(), bip::read_write);
    struct stat status {};
    if (::fstat(memory.get_mapping_handle().handle, &status) != 0)
      throw std::runtime_error(std::strerror(errno));
    if (const std::string doubt = doubt_about_owner(object, status); !doubt.empty())
      throw std::runtime_error(doubt);
    const bip::offset_t bytes = status.st_size;
    if (bytes < static_cast<bip::offset_t>(DictLayout::kHeaderBytes + 2 * sizeof(DictCell)))
      throw std::runtime_error("it is not complete");
    bip::mapped_region region(memory, bip::read_write);
    check(*static_cast<const DictHeader*>(region.get_address()), static_cast<std::uint64_t>(bytes));
    return region;
  } catch (const bip::interprocess_exception& error) {
    throw std::runtime_error(error.what());
  }
}

void remove_dict(const std::string& object) {
  bip::shared_memory_object::remove(object.c_str());
}

void remove_dicts_of(const std::string& segment) {
  const std::string prefix = dict_object_name(segment, "");
  std::error_code error;
  // Where Linux keeps shared memory objects: shm_open(3).
  for (std::filesystem::directory_iterator entry("/dev/shm", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix)) remove_dict(name);
  }
}

}  // namespace baton
