// hello: the smallest module, with a little of everything that goes out.
//
//     curl http://127.0.0.1:8080/                         curl http://127.0.0.1:8080/hello/world
//     curl "http://127.0.0.1:8080/sum?a=20&b=22"          curl -N http://127.0.0.1:8080/countdown/5
#include <baton/module.h>

#include <string>
#include <thread>

BATON_MODULE(m) {
  m.get("/", [](const baton::Request&, baton::Response& r) { r.text("Hello from a module.\n"); });

  m.get("/hello/:name", [](const baton::Request& q, baton::Response& r) {
    r.text("Hello " + std::string(q.param("name")) + ".\n");
  });

  // A query parameter that is no number is answered with 400, one that is missing we refuse ourselves.
  m.get("/sum", [](const baton::Request& q, baton::Response& r) {
    const auto a = q.query<int>("a");
    const auto b = q.query<int>("b");
    if (!a || !b) throw baton::HttpError(400, "a and b are needed");
    r.json({{"a", *a}, {"b", *b}, {"sum", std::int64_t{*a} + *b}});
  });

  // Streams: each line is with the client before the next is made. Stops when the client is gone.
  m.get("/countdown/:from", [](const baton::Request& q, baton::Response& r) {
    r.header("Content-Type", "text/plain; charset=utf-8");
    for (auto n = q.param<unsigned char>("from"); n > 0; --n) {
      if (!r.write(std::to_string(n) + "\n").flush()) return;
      std::this_thread::sleep_for(100ms);
    }
    r.write("lift-off\n");
  });
}
