#include "common/shared/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "common/base/fnv.h"
#include "common/base/printable.h"
#include "common/shared/reserve_memory.h"
#include "common/shared/shm_owner.h"

namespace baton {

namespace bip = boost::interprocess;

namespace {

constexpr char kMagic[8] = {'b', 'a', 't', 'o', 'n', 's', 'e', 'g'};

struct Layout {
  std::size_t workers, slots, notes, file_header, files, blocks, logs, outboxes, ledgers, charges, permits,
      places, addresses, dicts, total;
};

constexpr std::size_t aligned(std::size_t n) {
  return (n + 4095) & ~std::size_t{4095};
}

Layout layout_of(std::uint32_t slots, std::uint32_t workers) {
  Layout at{};
  at.workers = aligned(sizeof(SegmentHeader));
  at.slots = aligned(at.workers + sizeof(WorkerEntry) * workers);
  at.notes = aligned(at.slots + sizeof(Slot) * slots);
  at.file_header = aligned(at.notes + sizeof(SlotNotes) * slots);
  at.files = aligned(at.file_header + sizeof(FileTableHeader));
  at.blocks = aligned(at.files + sizeof(FileEntry) * FileTable::kEntries);
  at.logs = aligned(at.blocks + sizeof(FileBlock) * FileTable::kEntries);
  at.outboxes = aligned(at.logs + sizeof(LogBuffer) * workers);
  at.ledgers = aligned(at.outboxes + sizeof(OutboxRecord) * workers);
  at.charges = aligned(at.ledgers + sizeof(SpoolLedger) * (workers + 1));
  at.permits = aligned(at.charges + sizeof(std::uint32_t) * slots);
  at.places = aligned(at.permits + sizeof(PermitSet) * kMaxPermitSets);
  at.addresses = aligned(at.places + sizeof(ModulePlaces));
  at.dicts = aligned(at.addresses + sizeof(AddressCounts));
  at.total = aligned(at.dicts + sizeof(DictEntry) * kDictEntries);
  return at;
}

template <typename T>
std::span<T> part(void* base, std::size_t offset, std::size_t count) {
  return {reinterpret_cast<T*>(static_cast<char*>(base) + offset), count};
}

// Loads exactly once a word that another process may be writing. (std::atomic_ref does not take a const
// object.)
std::uint32_t once(const std::uint32_t& word) {
  return *static_cast<const volatile std::uint32_t*>(&word);
}

std::string version_of(const SegmentHeader& header) {
  return printable(text_of(header.version));
}

// Locks the byte at this pid's own offset: other processes of the object's owner may lock whatever they
// like.
struct flock lock_of(pid_t pid, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = pid;
  lock.l_len = 1;
  return lock;
}

// Whether all four user ids are `uid`: real, effective, saved and that of the file system.
bool runs_as(pid_t pid, uid_t uid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("Uid:")) continue;
    std::istringstream ids(line.substr(4));
    int same = 0;
    for (uid_t id = 0; ids >> id;) same += id == uid ? 1 : 0;
    return same == 4;
  }
  return false;
}

}  // namespace

std::string Segment::name_for(const std::string& config_file) {
  // The path is used as given, and links are not followed: a link that points elsewhere before a reload
  // still names the same instance.
  std::error_code ignored;
  const std::string path = std::filesystem::absolute(config_file, ignored).lexically_normal().string();
  // Fixed for ever: batonctl of another build must compute the same name.
  Fnv1a hash;
  hash.add(path);
  char name[32];
  std::snprintf(name, sizeof name, "baton-%016llx", static_cast<unsigned long long>(hash.value()));
  return name;
}

Segment::Segment(std::string name, bip::shared_memory_object object, bip::mode_t mode)
    : name_(std::move(name)), object_(std::move(object)), region_(object_, mode) {
  header_ = static_cast<SegmentHeader*>(region_.get_address());
}

void Segment::locate(const SegmentSizes& sizes) {
  void* base = region_.get_address();
  const Layout at = layout_of(sizes.slots, sizes.workers);
  scoreboard_ = part<WorkerEntry>(base, at.workers, sizes.workers);
  connections_ =
      ConnectionTable(part<Slot>(base, at.slots, sizes.slots), part<SlotNotes>(base, at.notes, sizes.slots));
  files_ = FileTable(part<FileTableHeader>(base, at.file_header, 1).data(),
                     part<FileEntry>(base, at.files, FileTable::kEntries),
                     part<FileBlock>(base, at.blocks, FileTable::kEntries));
  log_buffers_ = part<LogBuffer>(base, at.logs, sizes.workers);
  outboxes_ = part<OutboxRecord>(base, at.outboxes, sizes.workers);
  spool_ledgers_ = part<SpoolLedger>(base, at.ledgers, sizes.workers + 1);
  spool_charges_ = part<std::uint32_t>(base, at.charges, sizes.slots);
  permits_ = part<PermitSet>(base, at.permits, kMaxPermitSets);
  places_ = part<ModulePlaces>(base, at.places, 1).data();
  addresses_ = part<AddressCounts>(base, at.addresses, 1).data();
  dicts_ = part<DictEntry>(base, at.dicts, kDictEntries);
}

// Works for every layout, because the identity stands at the same place in all of them. An object without
// one is half made and belongs to no server.
void Segment::remove_leftover(const std::string& name, const std::vector<uid_t>& others) {
  if (const std::string doubt = doubt_about_name(name, others); !doubt.empty())
    throw std::runtime_error(doubt);
  try {
    bip::shared_memory_object object(bip::open_only, name.c_str(), bip::read_only);
    bip::offset_t bytes = 0;
    object.get_size(bytes);
    if (bytes >= static_cast<bip::offset_t>(sizeof(SegmentHeader))) {
      const bip::mapped_region region(object, bip::read_only, 0, sizeof(SegmentHeader));
      const auto& header = *static_cast<const SegmentHeader*>(region.get_address());
      if (std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 && master_alive(header)) {
        throw std::runtime_error(
            "already running as pid " + std::to_string(header.master_pid.load()) +
            " with this configuration file; stop it with 'batonctl stop', or start with another file");
      }
    }
  } catch (const bip::interprocess_exception&) {
    // It is not there, or not readable: create() reports what is wrong.
  }
  bip::shared_memory_object::remove(name.c_str());
}

Segment Segment::create(const std::string& name, const SegmentSizes& sizes) {
  remove_leftover(name);
  const Layout at = layout_of(sizes.slots, sizes.workers);
  try {
    bip::permissions permissions;
    permissions.set_permissions(0600);
    bip::shared_memory_object object(bip::create_only, name.c_str(), bip::read_write, permissions);
    try {
      reserve_memory(object, at.total);
    } catch (const std::runtime_error&) {
      bip::shared_memory_object::remove(name.c_str());
      throw;
    }
    Segment segment(name, std::move(object), bip::read_write);
    // A new object reads as zeroes, which is the initial state of every member except these. Constructing
    // all members would touch each page.
    new (segment.header_) SegmentHeader{};
    segment.describe(sizes);
    segment.locate(sizes);
    for (WorkerEntry& entry : segment.scoreboard_) new (&entry) WorkerEntry{};
    segment.addresses_->key = random_sip_key();
    segment.become_master();
    // Last, because attach() trusts nothing without it.
    std::memcpy(segment.header_->magic, kMagic, sizeof kMagic);
    return segment;
  } catch (const std::exception& error) {  // interprocess_exception is one
    throw std::runtime_error("cannot create the shared memory segment /dev/shm/" + name + " of " +
                             std::to_string(at.total >> 20) + " MiB: " + error.what());
  }
}

Segment Segment::attach(const std::string& name, const std::vector<uid_t>& others) {
  return open_existing(name, bip::read_only, others);
}

Segment Segment::take_over(const std::string& name, const SegmentSizes& sizes) {
  Segment segment = open_existing(name, bip::read_write, {}, sizes);
  segment.describe(sizes);
  segment.become_master();
  std::memcpy(segment.header_->magic, kMagic, sizeof kMagic);
  return segment;
}

Segment Segment::open_existing(const std::string& name, bip::mode_t mode, const std::vector<uid_t>& others,
                               const std::optional<SegmentSizes>& known) {
  try {
    bip::shared_memory_object object(bip::open_only, name.c_str(), mode);
    struct stat status {};
    if (::fstat(object.get_mapping_handle().handle, &status) != 0)
      throw std::runtime_error(std::strerror(errno));
    if (const std::string doubt = doubt_about_owner(name, status, others); !doubt.empty())
      throw std::runtime_error(doubt);
    if (status.st_size < static_cast<off_t>(sizeof(SegmentHeader)))
      throw std::runtime_error("it is not complete");
    Segment segment(name, std::move(object), mode);
    const auto bytes = static_cast<std::uint64_t>(status.st_size);
    if (known && layout_of(known->slots, known->workers).total != bytes)
      throw std::runtime_error("its sizes do not fit together");
    segment.locate(known ? *known : segment.check(bytes));
    return segment;
  } catch (const bip::interprocess_exception& error) {
    if (error.get_error_code() == bip::not_found_error)
      throw std::runtime_error("no server is running with it");
    if (error.get_error_code() == bip::security_error) {
      throw std::runtime_error("the server runs as another user: no permission to read its shared memory");
    }
    throw std::runtime_error(error.what());
  }
}

// Writes all of the identity except the magic and the master's pid and start time.
void Segment::describe(const SegmentSizes& sizes) {
  SegmentHeader& header = *header_;
  header.layout_version = kLayoutVersion;
  header.total_bytes = layout_of(sizes.slots, sizes.workers).total;
  header.slot_count = sizes.slots;
  header.slot_bytes = sizeof(Slot);
  header.worker_count = sizes.workers;
  header.worker_bytes = sizeof(WorkerEntry);
  header.file_count = FileTable::kEntries;
  header.fingerprint = layout_fingerprint();
  std::strncpy(header.version, kVersion, sizeof header.version - 1);
}

void Segment::become_master() {
  struct flock lock = lock_of(::getpid(), F_RDLCK);
  // A shared lock, because the descriptor table of workers from before an upgrade holds one too.
  if (::fcntl(fd(), F_SETLK, &lock) != 0)
    throw std::runtime_error(std::string("it cannot be locked: ") + std::strerror(errno));
  header_->master_start.store(process_start(::getpid()));
  header_->master_pid.store(::getpid());
}

bool Segment::master_proven() const {
  const pid_t pid = header_->master_pid.load(std::memory_order_acquire);
  struct stat status {};
  if (pid <= 0 || ::fstat(fd(), &status) != 0 || !runs_as(pid, status.st_uid)) return false;
  struct flock lock = lock_of(pid, F_WRLCK);
  return ::fcntl(fd(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid == pid;
}

// Reads each size once, so the checked value is the used value.
SegmentSizes Segment::check(std::uint64_t bytes) const {
  const SegmentHeader& header = *header_;
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0)
    throw std::runtime_error("it is not a baton segment");
  if (header.layout_version != kLayoutVersion) {
    throw std::runtime_error("its layout is version " + std::to_string(header.layout_version) + " of baton " +
                             version_of(header) + ", this program reads version " +
                             std::to_string(kLayoutVersion));
  }
  if (header.fingerprint != layout_fingerprint() || header.slot_bytes != sizeof(Slot) ||
      header.worker_bytes != sizeof(WorkerEntry) || header.file_count != FileTable::kEntries) {
    throw std::runtime_error("its layout is that of another build of baton " + version_of(header) +
                             ", with other sizes than this program's");
  }
  const SegmentSizes sizes{once(header.slot_count), once(header.worker_count)};
  if (header.total_bytes != bytes || layout_of(sizes.slots, sizes.workers).total != bytes)
    throw std::runtime_error("its sizes do not fit together");
  return sizes;
}

int Segment::highest_fd() const {
  const int most = static_cast<int>(connections_.size()) - 1;
  return std::clamp(header_->highest_fd.load(std::memory_order_relaxed), -1, most);
}

Segment::~Segment() = default;

void Segment::unlink() {
  bip::shared_memory_object::remove(name_.c_str());
}

std::uint64_t layout_fingerprint() {
  const std::size_t facts[] = {
      sizeof(SegmentHeader), offsetof(SegmentHeader, slot_count), offsetof(SegmentHeader, name),
      offsetof(SegmentHeader, state), offsetof(SegmentHeader, generation), offsetof(SegmentHeader, listeners),
      offsetof(SegmentHeader, reload), offsetof(SegmentHeader, upgrade), offsetof(SegmentHeader, frozen),
      offsetof(SegmentHeader, orphans), offsetof(SegmentHeader, executions), offsetof(SegmentHeader, retired),
      offsetof(SegmentHeader, retired_latency), offsetof(SegmentHeader, connections),
      offsetof(SegmentHeader, highest_fd), sizeof(CommandReport), kMaxListeners,
      // The scoreboard.
      sizeof(WorkerEntry), offsetof(WorkerEntry, ordinal), offsetof(WorkerEntry, retire),
      offsetof(WorkerEntry, complaint), offsetof(WorkerEntry, crash), offsetof(WorkerEntry, flight),
      offsetof(WorkerEntry, counters), offsetof(WorkerEntry, latency), sizeof(CrashRecord),
      offsetof(CrashRecord, frames), offsetof(CrashRecord, objects), sizeof(CrashRecord::Object),
      sizeof(FlightRecord), offsetof(FlightRecord, pinned_file), offsetof(FlightRecord, private_file),
      offsetof(FlightRecord, retries), offsetof(FlightRecord, turns),
      offsetof(FlightRecord, sockets_in_motion), offsetof(FlightRecord, files_in_motion),
      offsetof(FlightRecord, request_line), sizeof(Counters), sizeof(Histogram), Histogram::kBuckets,
      kMaxScoreboardEntries,
      // The connection table.
      sizeof(Slot), offsetof(Slot, deadline), offsetof(Slot, verdict), offsetof(Slot, phase),
      offsetof(Slot, flags), offsetof(Slot, bytes_in), offsetof(Slot, requests),
      offsetof(Slot, response_bytes), offsetof(Slot, script_fd), offsetof(Slot, crashes),
      offsetof(Slot, missed), offsetof(Slot, batch_offset), offsetof(Slot, socket), offsetof(Slot, body),
      offsetof(Slot, body_fd), offsetof(Slot, peeked), offsetof(Slot, spool_fd), offsetof(Slot, queued),
      offsetof(Slot, accepted), offsetof(Slot, address), sizeof(SlotNotes), sizeof(ResponseNote),
      offsetof(ResponseNote, started_ns), offsetof(ResponseNote, streamed), offsetof(ResponseNote, text),
      sizeof(ChunkProgress), offsetof(ChunkProgress, phase), sizeof(Peer),
      // Files, logs, responses.
      sizeof(FileTableHeader), sizeof(FileEntry), offsetof(FileEntry, fd), offsetof(FileEntry, size),
      offsetof(FileEntry, page_bytes), offsetof(FileEntry, etag), offsetof(FileEntry, path),
      sizeof(FileBlock), FileTable::kEntries, FileTable::kWays, sizeof(LogBuffer), offsetof(LogBuffer, bytes),
      sizeof(OutboxRecord), offsetof(OutboxRecord, spill_fd), offsetof(OutboxRecord, stored_fd),
      sizeof(PermitSet), kMaxPermitSets, offsetof(OutboxRecord, pieces), offsetof(OutboxRecord, memory),
      sizeof(AddressCounts), offsetof(SegmentHeader, listener_reserves),
      offsetof(SegmentHeader, listener_redirects), sizeof(SpoolLedger), offsetof(SpoolLedger, pending),
      offsetof(SegmentHeader, spool),
      // Dictionaries.
      sizeof(DictEntry), offsetof(DictEntry, bytes_total), offsetof(DictEntry, size),
      offsetof(DictEntry, counters), sizeof(DictCounters), kDictEntries};
  Fnv1a hash;
  for (const std::size_t fact : facts) hash.add(std::uint64_t{fact});
  return hash.value();
}

bool master_alive(const SegmentHeader& header) {
  const pid_t pid = header.master_pid.load(std::memory_order_acquire);
  if (pid <= 0) return false;
  const std::uint64_t start = process_start(pid);
  return start != 0 && start == header.master_start.load(std::memory_order_acquire);
}

std::uint64_t process_start(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  // Reading fails once the process has been waited for. A stream takes that for the end of the file; the
  // iterators of its buffer would throw.
  std::string text;
  std::getline(file, text, '\0');
  // Field 22. Field 2 is the command in parentheses and may hold spaces, so count from its end.
  std::size_t at = text.rfind(')');
  // Field 3: a zombie has ended, whether or not its parent has noticed.
  if (at != std::string::npos && at + 2 < text.size() && (text[at + 2] == 'Z' || text[at + 2] == 'X'))
    return 0;
  for (int field = 2; at != std::string::npos && field < 22; ++field) at = text.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
}

}  // namespace baton
