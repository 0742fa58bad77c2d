// Hello in cpp-httplib, to compare with: a thread pool of its usual size, one connection a thread at a time.
// $1: port.
#include <httplib.h>

#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  httplib::Server server;
  server.set_keep_alive_max_count(1'000'000'000);
  server.set_tcp_nodelay(true);
  // As many threads as the load has connections: with fewer some of them would never be served.
  server.new_task_queue = [] { return new httplib::ThreadPool(64); };
  server.Get("/hello", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("Hello from a module.\n", "text/plain; charset=utf-8");
  });
  return server.listen("127.0.0.1", std::atoi(argv[1])) ? 0 : 1;
}
