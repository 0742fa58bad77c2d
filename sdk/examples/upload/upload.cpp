// upload: takes files and gives them back. A large body is never in memory: baton writes it to a file as it
// comes, and the handler sees it mapped; what is sent, baton sends from the file, with ranges and validators.
//
//     curl -T film.mp4 http://127.0.0.1:8080/files/film.mp4         PUT: the body is the file
//     curl -F file=@film.mp4 http://127.0.0.1:8080/files            POST: a form, as the page at / sends it
//     curl -O -C - http://127.0.0.1:8080/files/film.mp4             goes on where it was broken off
//     curl -X DELETE http://127.0.0.1:8080/files/film.mp4
#include <baton/module.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace fs = std::filesystem;
using baton::HttpError;
using baton::Request;
using baton::Response;
using namespace baton::literals;

namespace {

constexpr baton::Options kUpload{.timeout = 2min, .max_body = 1_GiB};

constexpr std::string_view kForm =
    "<!doctype html><meta charset=utf-8><title>upload</title>"
    "<form method=post action=files enctype=multipart/form-data>"
    "<input type=file name=file multiple> <button>Upload</button></form>\n";

// Letters, digits, ".", "_" and "-", and no "." in front: nothing that means something to a file system or a
// page.
std::string checked(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  const bool good = !name.empty() && name.size() <= 100 && name.front() != '.' &&
                    name.find_first_not_of(kAllowed) == std::string_view::npos;
  if (!good)
    throw HttpError(422, "a file's name has up to 100 letters, digits, dots, dashes and underscores");
  return std::string(name);
}

// A file that takes its name when it is complete: readers see the old one or the new one, and never a part.
class NewFile {
 public:
  explicit NewFile(const fs::path& folder) : temporary_((folder / ".new-XXXXXX").string()) {
    fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
    if (fd_ < 0) fail();
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    close(fd_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) fail();
      if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void publish(const fs::path& name) {
    if (fsync(fd_) != 0) fail();
    fs::rename(temporary_, name);
    temporary_.clear();
  }

 private:
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), temporary_); }

  std::string temporary_;
  int fd_ = -1;
};

void store(const fs::path& folder, std::string_view name, std::string_view bytes) {
  const std::string target = checked(name);
  NewFile file(folder);
  file.write(bytes);
  file.publish(folder / target);
}

}  // namespace

BATON_MODULE(m) {
  const fs::path folder = m.config().path("folder");
  m.on_worker_start([folder] { fs::create_directories(folder); });

  m.get("/", [](const Request&, Response& r) { r.html(kForm); });

  m.get("/files", [folder](const Request&, Response& r) {
    auto files = nlohmann::json::array();
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      std::error_code gone;
      const auto size = entry.file_size(gone);
      if (!gone && !name.starts_with('.')) files.push_back({{"name", name}, {"bytes", size}});
    }
    r.json(files);
  });

  m.post("/files", kUpload, [folder](const Request& q, Response& r) {
    auto stored = nlohmann::json::array();
    for (const baton::FormFile& file : q.form().files()) {
      const std::string name = file.safe_name();
      store(folder, name, file.body);
      stored.push_back({{"name", name}, {"bytes", file.body.size()}});
    }
    if (stored.empty()) throw HttpError(422, "the form has no file");
    r.status(201).json(stored);
  });

  m.put("/files/:name", kUpload, [folder](const Request& q, Response& r) {
    store(folder, q.param("name"), q.body());
    r.status(201).header("Location", std::string(q.mount()) + "/files/" + std::string(q.param("name")));
  });

  // What people upload is not for browsers to run.
  m.get("/files/:name", [folder](const Request& q, Response& r) {
    r.header("X-Content-Type-Options", "nosniff").header("Content-Disposition", "attachment");
    r.file((folder / checked(q.param("name"))).string());
  });

  m.del("/files/:name", [folder](const Request& q, Response& r) {
    if (!fs::remove(folder / checked(q.param("name")))) throw HttpError(404);
    r.status(204);
  });
}
