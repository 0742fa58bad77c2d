// The handlers that tests/survival/peers.py has every server run: one that says that it was entered and waits
// to be released, and one that counts the bytes of a body.
#include <baton/module.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

namespace {

std::filesystem::path folder;

void wait_to_be_released(const baton::Request& request, baton::Response& response) {
  std::string entered = folder / "entered" / (request.method() == "POST" ? "post.XXXXXX" : "get.XXXXXX");
  if (const int fd = ::mkstemp(entered.data()); fd >= 0) ::close(fd);
  for (int i = 0; i < 3000 && !std::filesystem::exists(folder / "release"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  response.text("slow\n");
}

}  // namespace

BATON_MODULE(m) {
  m.on_worker_start([](const baton::Config& config) { folder = config.string("folder"); });
  m.get("/", wait_to_be_released);
  m.post("/", [](const baton::Request& q, baton::Response& r) {
    if (q.mount() == "/slow") return wait_to_be_released(q, r);
    r.text(std::to_string(q.body().size()) + "\n");
  });
}
