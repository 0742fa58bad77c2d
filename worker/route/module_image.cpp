#include "worker/route/module_image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace baton::app {

namespace {

constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, since Linux 6.3, where vm.memfd_noexec may require it

UniqueFd make_memfd(const std::string& name) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kExecutable));
  if (!fd && errno == EINVAL) fd = UniqueFd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  return fd;
}

bool copy_all(int from, int to) {
  ssize_t n = 0;
  do n = ::sendfile(to, from, nullptr, std::size_t{1} << 20);
  while (n > 0);
  return n == 0;
}

bool is_shared_object(int fd) {
  Elf64_Ehdr header{};
  return ::pread(fd, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
         std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_type == ET_DYN;
}

}  // namespace

std::shared_ptr<const ModuleImage> ModuleImage::read(const std::string& path) {
  const auto fail = [&path](const std::string& why) -> std::runtime_error {
    return std::runtime_error("cannot load the module " + path + ": " + why);
  };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw fail(std::strerror(errno));
  if (!is_shared_object(file.get())) throw fail("it is not a shared object; link it with -shared");
  UniqueFd copy = make_memfd(std::filesystem::path(path).filename().string().substr(0, 200));
  if (!copy || !copy_all(file.get(), copy.get()) ||
      ::fcntl(copy.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    throw fail(std::strerror(errno));
  }
  static std::uint64_t images_read = 0;
  return std::shared_ptr<const ModuleImage>(new ModuleImage(path, std::move(copy), ++images_read));
}

}  // namespace baton::app
