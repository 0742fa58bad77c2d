#include "tests/support/modules.h"

#include <filesystem>
#include <stdexcept>

namespace baton::test {

namespace fs = std::filesystem;

std::string module_file(const std::string& name) {
  // Beside the test, or above it: the tests with crash points are in a folder of their own.
  for (fs::path folder = fs::read_symlink("/proc/self/exe").parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const fs::path file = folder / "tests/modules" / (name + ".so");
    if (fs::exists(file)) return file.string();
  }
  throw std::runtime_error("there is no module " + name);
}

std::string module_route(const std::string& path, const std::string& file, const std::string& options) {
  return "[[site.route]]\npath = \"" + path + "\"\nmodule = { file = \"" + file + "\"" +
         (options.empty() ? "" : ", " + options) + " }\n";
}

std::uint64_t counted(const TempDir& folder, const std::string& name) {
  std::error_code none;
  const std::uintmax_t size = fs::file_size(folder.path() / name, none);
  return none ? 0 : size;
}

std::string read_head(Client& client) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = client.read_bytes(1);
    if (byte.empty()) throw std::runtime_error("the connection ended in a head: " + head);
    head += byte;
  }
  return head;
}

std::string read_chunked(Client& client, std::vector<std::size_t>* sizes) {
  std::string body;
  while (true) {
    std::string line;
    while (!line.ends_with("\r\n")) {
      const std::string byte = client.read_bytes(1);
      if (byte.empty())
        throw std::runtime_error("the connection ended between chunks, after " + std::to_string(body.size()) +
                                 " bytes");
      line += byte;
    }
    std::size_t digits = 0;
    const std::size_t size = std::stoul(line, &digits, 16);
    if (digits + 2 != line.size()) throw std::runtime_error("not the size of a chunk: " + line);
    if (sizes != nullptr) sizes->push_back(size);
    const std::string chunk = client.read_bytes(size + 2);
    if (chunk.size() != size + 2 || !chunk.ends_with("\r\n"))
      throw std::runtime_error("the connection ended in a chunk, or it has no end");
    if (size == 0) return body;
    body.append(chunk, 0, size);
  }
}

std::string written(std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i % 23);
  return out;
}

}  // namespace baton::test
