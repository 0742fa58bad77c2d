#include "tests/integration/shared_server.h"

#include <random>

namespace baton::test {

void expect_no_worker_died(const Server& server) {
  for (const WorkerEntry& entry : server.segment().scoreboard())
    EXPECT_EQ(entry.restarts.load(), 0U) << server.log();
}

std::string noise(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string site_config(const std::vector<std::string>& routes, const std::string& settings) {
  std::string config = settings + "\n[[site]]\n";
  if (settings.find("[server]") == std::string::npos) config.insert(0, "[server]\nworkers = 2\n");
  for (const std::string& route : routes) config += "[[site.route]]\n" + route + "\n";
  return config;
}

}  // namespace baton::test
