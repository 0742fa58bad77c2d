// todo: a JSON API on SQLite. Every worker has a connection of its own to the same file; in WAL mode readers
// never wait, and writers wait for each other for up to five seconds.
//
//     GET    /todos?done=false&limit=50      the todos, newest first
//     POST   /todos {"title": "..."}         201, Location
//     GET    /todos/:id
//     PATCH  /todos/:id {"title": "...", "done": true}
//     DELETE /todos/:id                      204
#include <baton/module.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

using baton::HttpError;
using baton::Request;
using baton::Response;
using nlohmann::json;

namespace {

class Statement {
 public:
  Statement(sqlite3* db, const char* sql) : db_(db) {
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK) fail();
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  // Begins anew, with these values for the "?"s.
  template <typename... Values>
  Statement& with(const Values&... values) {
    sqlite3_reset(statement_);
    int number = 0;
    (bind(++number, values), ...);
    return *this;
  }
  // True while there is a row.
  bool step() {
    switch (sqlite3_step(statement_)) {
      case SQLITE_ROW: return true;
      case SQLITE_DONE: sqlite3_reset(statement_); return false;
      default: fail();
    }
  }
  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] std::string text(int column) const {
    const void* bytes = sqlite3_column_text(statement_, column);
    return {static_cast<const char*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  void bind(int number, std::int64_t value) { sqlite3_bind_int64(statement_, number, value); }
  void bind(int number, const std::string& value) {
    sqlite3_bind_text(statement_, number, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  }
  template <typename Value>
  void bind(int number, const std::optional<Value>& value) {
    value ? bind(number, *value) : static_cast<void>(sqlite3_bind_null(statement_, number));
  }
  [[noreturn]] void fail() {
    const std::string reason = sqlite3_errmsg(db_);
    sqlite3_reset(statement_);
    throw std::runtime_error("sqlite: " + reason);
  }

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

// One connection and what is asked on it.
class Todos {
 public:
  explicit Todos(const std::string& path) : db_(open(path)) {}

  json list(std::optional<bool> done, std::int64_t limit) {
    json todos = json::array();
    for (list_.with(as_integer(done), limit); list_.step();) todos.push_back(row(list_));
    return todos;
  }
  json get(std::int64_t id) { return one(get_.with(id)); }
  json add(const std::string& title) { return one(add_.with(title)); }
  json change(std::int64_t id, const std::optional<std::string>& title, std::optional<bool> done) {
    return one(change_.with(title, as_integer(done), id));
  }
  void remove(std::int64_t id) { one(remove_.with(id)); }

 private:
  using Connection = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;

  static Connection open(const std::string& path) {
    sqlite3* raw = nullptr;
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int result = sqlite3_open_v2(path.c_str(), &raw, kFlags, nullptr);
    Connection db(raw, &sqlite3_close);
    if (result != SQLITE_OK) throw std::runtime_error(path + ": " + sqlite3_errmsg(db.get()));
    // First: all workers start at once, and turn the same new file into a WAL database.
    sqlite3_busy_timeout(db.get(), 5000);
    constexpr const char* kSetUp =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "CREATE TABLE IF NOT EXISTS todo (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL,"
        " done INTEGER NOT NULL DEFAULT 0)";
    if (sqlite3_exec(db.get(), kSetUp, nullptr, nullptr, nullptr) != SQLITE_OK) {
      throw std::runtime_error(path + ": " + sqlite3_errmsg(db.get()));
    }
    return db;
  }

  static json row(const Statement& statement) {
    return {{"id", statement.integer(0)}, {"title", statement.text(1)}, {"done", statement.integer(2) != 0}};
  }
  // The one row of a statement that changes or finds a todo by its id.
  static json one(Statement& statement) {
    if (!statement.step()) throw HttpError(404, "no such todo");
    json todo = row(statement);
    statement.step();
    return todo;
  }
  static std::optional<std::int64_t> as_integer(std::optional<bool> value) { return value; }

  Connection db_;
  Statement list_{
      db_.get(),
      "SELECT id, title, done FROM todo WHERE done = coalesce(?1, done) ORDER BY id DESC LIMIT ?2"};
  Statement get_{db_.get(), "SELECT id, title, done FROM todo WHERE id = ?1"};
  Statement add_{db_.get(), "INSERT INTO todo (title) VALUES (?1) RETURNING id, title, done"};
  Statement change_{db_.get(),
                    "UPDATE todo SET title = coalesce(?1, title), done = coalesce(?2, done) WHERE id = ?3 "
                    "RETURNING id, title, done"};
  Statement remove_{db_.get(), "DELETE FROM todo WHERE id = ?1 RETURNING id, title, done"};
};

// What a client may say of a todo, checked.
struct Draft {
  std::optional<std::string> title;
  std::optional<bool> done;

  explicit Draft(const baton::Input& body)
      : title(body.get<std::optional<std::string>>("title")), done(body.get<std::optional<bool>>("done")) {
    body.allow_only({"title", "done"});
    if (title && (title->empty() || title->size() > 500)) throw HttpError(422, "a title has 1 to 500 bytes");
  }
};

}  // namespace

BATON_MODULE(m) {
  // Belongs to this route of the configuration; another one may name another database.
  auto db = std::make_shared<std::unique_ptr<Todos>>();
  m.on_worker_start([db](const baton::Config& c) { *db = std::make_unique<Todos>(c.path("db")); });
  m.on_worker_stop([db] { db->reset(); });

  m.get("/todos", [db](const Request& q, Response& r) {
    std::optional<bool> done;
    if (const auto value = q.query("done")) {
      if (*value != "true" && *value != "false") throw HttpError(400, "done is to be true or false");
      done = *value == "true";
    }
    r.json((*db)->list(done, std::clamp(q.query<int>("limit").value_or(50), 1, 1000)));
  });

  m.post("/todos", {.max_body = 64_KiB}, [db](const Request& q, Response& r) {
    const Draft draft(q.input());
    if (!draft.title || draft.done) throw HttpError(422, "a new todo has a title, and nothing else");
    const json todo = (*db)->add(*draft.title);
    r.status(201).header("Location", std::string(q.mount()) + "/todos/" + todo["id"].dump());
    r.json(todo);
  });

  m.get("/todos/:id",
        [db](const Request& q, Response& r) { r.json((*db)->get(q.param<std::int64_t>("id"))); });

  // Says what is to be, not how to change it: doing it twice does no harm.
  m.patch("/todos/:id", {.max_body = 64_KiB, .idempotent = true}, [db](const Request& q, Response& r) {
    const Draft draft(q.input());
    r.json((*db)->change(q.param<std::int64_t>("id"), draft.title, draft.done));
  });

  m.del("/todos/:id", [db](const Request& q, Response& r) {
    (*db)->remove(q.param<std::int64_t>("id"));
    r.status(204);
  });
}
