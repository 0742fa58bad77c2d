// What a static route answers with: files of all sizes, index files, types, siblings, listings, the fallback.
#include <nlohmann/json.hpp>

#include "tests/integration/shared_server.h"

namespace baton::test {

namespace {

constexpr std::size_t kSizes[] = {1, 100, 8'191, 8'192, 8'193, 100'000, 5'000'000};

std::string sized(std::size_t bytes) {
  return "size-" + std::to_string(bytes);
}

class StaticFiles : public SharedServer<StaticFiles> {
 public:
  static std::string prepare(const TempDir& folder) {
    for (const std::size_t bytes : kSizes) {
      folder.write("site/" + sized(bytes), noise(bytes, static_cast<unsigned>(bytes)));
    }
    folder.write("site/empty.txt", "");
    folder.write("site/index.html", "<p>home");
    folder.write("site/docs/index.html", "<p>docs");
    folder.write("site/docs/default.htm", "<p>second");
    folder.write("site/old/default.htm", "<p>old");
    folder.write("site/bare/a.txt", "a");
    folder.write("site/evil.example/index.html", "<p>not evil");
    folder.write("site/sp ace/index.html", "<p>space");
    folder.write("site/\\evil.example/index.html", "<p>not evil either");
    folder.write("site/%41.txt", "percent");
    folder.write("site/caf\xc3\xa9.txt", "utf-8");
    for (const char* name : {"a.html", "a.css", "a.js", "a.json", "a.svg", "a.png", "a.woff2", "a.HTML",
                             "a.tar.gz", "a.none-such", "none"}) {
      folder.write(std::string("site/types/") + name, "content");
    }
    return site_config({
        "path = \"/\"\nstatic = { root = \"site\", index = [\"index.html\", \"default.htm\"] }",
        "path = \"/cached\"\nstatic = { root = \"site\", cache_control = \"public, max-age=60\" }",
    });
  }
};

TEST_F(StaticFiles, AreSentByteForByteWhateverTheirSize) {
  Client client = server_->connect();
  for (const std::size_t bytes : kSizes) {
    for (int time = 0; time < 3; ++time) {  // from the disk, then from the shared table, by either worker
      SCOPED_TRACE(bytes);
      const Response response = client.get("/" + sized(bytes));
      EXPECT_EQ(response.status, 200);
      EXPECT_TRUE(response.body == noise(bytes, static_cast<unsigned>(bytes)));
    }
  }
}

TEST_F(StaticFiles, EmptyFile) {
  Client client = server_->connect();
  for (int time = 0; time < 3; ++time) {
    const Response response = client.get("/empty.txt");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.field("content-length"), "0");
  }
}

TEST_F(StaticFiles, AreOpenedOnceForAllWorkers) {
  const TempDir folder;
  folder.write("site/small", "small");
  folder.write("site/large", noise(20'000, 1));
  const Server server(folder, static_config("site"));
  Client client = server.connect();
  for (int i = 0; i < 100; ++i) {
    Client other = server.connect();
    EXPECT_EQ(other.get("/small").body, "small");
    EXPECT_EQ(client.get("/large").body.size(), 20'000U);
  }
  // Twice two, because both workers may come first at the same time; and once a second they look again.
  EXPECT_LE(server.total(&Counters::files_opened), 4U);
}

TEST_F(StaticFiles, IndexFilesInTheirOrder) {
  EXPECT_EQ(get("/").body, "<p>home");
  EXPECT_EQ(get("/docs/").body, "<p>docs");
  EXPECT_EQ(get("/old/").body, "<p>old");
  EXPECT_EQ(get("/docs/").field("content-type"), "text/html; charset=utf-8");
}

TEST_F(StaticFiles, FolderWithoutSlashIsRedirected) {
  const auto location = [](const std::string& target) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 301) << target;
    return response.field("location");
  };
  EXPECT_EQ(location("/docs"), "/docs/");
  EXPECT_EQ(location("/docs?x=1&y=%20"), "/docs/?x=1&y=%20");
  EXPECT_EQ(location("/docs?"), "/docs/?");
  EXPECT_EQ(location("/sp%20ace"), "/sp%20ace/");
  EXPECT_EQ(location("/cached/docs"), "/cached/docs/");
  // Two slashes in front would make it the address of another host.
  EXPECT_EQ(location("//evil.example"), "/evil.example/");
  EXPECT_EQ(location("/%2Fevil.example"), "/evil.example/");
  EXPECT_EQ(location("//evil.example/../docs"), "/docs/");
  EXPECT_EQ(location("http://h//docs"), "/docs/");
  // So would a backslash, to browsers.
  EXPECT_EQ(location("/\\evil.example"), "/%5Cevil.example/");
  EXPECT_EQ(location("/docs?\xc3\xa9\"<>\\"), "/docs/?%C3%A9%22%3C%3E%5C");
}

TEST_F(StaticFiles, FileWithSlashBehindIsNotFound) {
  EXPECT_EQ(get("/empty.txt/").status, 404);
  EXPECT_EQ(get("/empty.txt/more").status, 404);
}

TEST_F(StaticFiles, NamesAreDecodedOnce) {
  EXPECT_EQ(get("/%2541.txt").body, "percent");
  EXPECT_EQ(get("/caf%C3%A9.txt").body, "utf-8");
  EXPECT_EQ(get("/caf\xc3\xa9.txt").body, "utf-8");
  EXPECT_EQ(get("/sp%20ace/").body, "<p>space");
  EXPECT_EQ(get("/" + std::string(300, 'n')).status, 404);
}

TEST_F(StaticFiles, Types) {
  const std::pair<const char*, const char*> types[] = {
      {"a.html", "text/html; charset=utf-8"},
      {"a.HTML", "text/html; charset=utf-8"},
      {"a.css", "text/css; charset=utf-8"},
      {"a.js", "text/javascript; charset=utf-8"},
      {"a.json", "application/json; charset=utf-8"},
      {"a.svg", "image/svg+xml; charset=utf-8"},
      {"a.png", "image/png"},
      {"a.woff2", "font/woff2"},
      {"a.tar.gz", "application/gzip"},
      {"a.none-such", "application/octet-stream"},
      {"none", "application/octet-stream"},
  };
  for (const auto& [name, type] : types) {
    EXPECT_EQ(get(std::string("/types/") + name).field("content-type"), type) << name;
  }
}

TEST_F(StaticFiles, HeadSaysWhatGetSays) {
  const auto fields_of = [](const std::string& method, const std::string& target) {
    auto fields = ask(method, target).fields;
    fields.erase("date");
    return fields;
  };
  for (const char* target : {"/", "/size-100", "/size-100000", "/empty.txt", "/docs", "/missing", "/bare/"}) {
    EXPECT_EQ(fields_of("HEAD", target), fields_of("GET", target)) << target;
  }
}

TEST_F(StaticFiles, OtherMethodsAreNotAllowed) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "TRACE"}) {
    const Response response = ask(method, "/size-100");
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(response.field("allow"), "GET, HEAD, OPTIONS");
  }
  const Response options = ask("OPTIONS", "/size-100");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.field("allow"), "GET, HEAD, OPTIONS");
}

TEST_F(StaticFiles, ErrorsAreHtmlOrJson) {
  const Response html = get("/missing");
  EXPECT_EQ(html.status, 404);
  EXPECT_EQ(html.field("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(html.body.find("<h1>404 Not Found</h1>"), std::string::npos);

  const Response json = get("/missing", "Accept: application/json\r\n");
  EXPECT_EQ(json.status, 404);
  EXPECT_EQ(json.field("content-type"), "application/json");
  EXPECT_EQ(nlohmann::json::parse(json.body).at("status"), 404);
  const Response refused = ask("DELETE", "/size-100", "Accept: text/html;q=0.5, application/json\r\n");
  EXPECT_EQ(nlohmann::json::parse(refused.body).at("status"), 405);
}

TEST_F(StaticFiles, CacheControlGoesWithFilesNotWithErrors) {
  EXPECT_EQ(get("/size-100").field("cache-control"), "");
  const Response response = get("/cached/size-100");
  EXPECT_EQ(response.field("cache-control"), "public, max-age=60");
  const Response unchanged = get("/cached/size-100", "If-None-Match: " + response.field("etag") + "\r\n");
  EXPECT_EQ(unchanged.status, 304);
  EXPECT_EQ(unchanged.field("cache-control"), "public, max-age=60");
  EXPECT_EQ(get("/cached/missing").field("cache-control"), "");
  const Response unsatisfiable = get("/cached/size-100", "Range: bytes=200-\r\n");
  EXPECT_EQ(unsatisfiable.status, 416);
  EXPECT_EQ(unsatisfiable.field("cache-control"), "");
  const Response failed = get("/cached/size-100", "If-Match: \"other\"\r\n");
  EXPECT_EQ(failed.status, 412);
  EXPECT_EQ(failed.field("cache-control"), "");
}

TEST_F(StaticFiles, FolderWithoutIndexIsNotListedByDefault) {
  EXPECT_EQ(get("/bare/").status, 403);
}

// -- precompressed siblings

class Precompressed : public SharedServer<Precompressed> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("site/both.js", "plain both");
    folder.write("site/both.js.br", "brotli both");
    folder.write("site/both.js.gz", "gzip both");
    folder.write("site/gzip.css", "plain gzip");
    folder.write("site/gzip.css.gz", "gzip gzip");
    folder.write("site/alone.txt", "plain alone");
    folder.write("site/index.html", "plain index");
    folder.write("site/index.html.gz", "gzip index");
    return site_config(
        {"path = \"/\"\nstatic = { root = \"site\", precompressed = true, cache_control = "
         "\"max-age=60\" }\nheaders = { X-More = \"yes\", Content-Language = \"en\" }",
         "path = \"/off\"\nstatic = { root = \"site\" }"});
  }

  static Response accepting(const std::string& target, const std::string& codings) {
    return get(target, "Accept-Encoding: " + codings + "\r\n");
  }
};

TEST_F(Precompressed, TheBestSiblingThatTheClientTakes) {
  for (int time = 0; time < 3; ++time) {
    const Response brotli = accepting("/both.js", "gzip, deflate, br");
    EXPECT_EQ(brotli.body, "brotli both");
    EXPECT_EQ(brotli.field("content-encoding"), "br");
    EXPECT_EQ(brotli.field("vary"), "Accept-Encoding");
    EXPECT_EQ(brotli.field("content-type"), "text/javascript; charset=utf-8");
    const Response gzip = accepting("/both.js", "gzip");
    EXPECT_EQ(gzip.body, "gzip both");
    EXPECT_EQ(gzip.field("content-encoding"), "gzip");
    EXPECT_NE(gzip.field("etag"), brotli.field("etag"));
    const Response refused = accepting("/both.js", "br;q=0, gzip;q=0.1");
    EXPECT_EQ(refused.field("content-encoding"), "gzip");
    EXPECT_EQ(accepting("/gzip.css", "br, gzip").body, "gzip gzip");
    EXPECT_EQ(accepting("/", "gzip").body, "gzip index");
  }
}

TEST_F(Precompressed, ThePlainFileForAllOthers) {
  for (const char* codings : {"identity", "br;q=0, gzip;q=0", "zstd", "*;q=0, identity"}) {
    const Response response = accepting("/both.js", codings);
    EXPECT_EQ(response.body, "plain both") << codings;
    EXPECT_FALSE(response.has("content-encoding"));
    EXPECT_EQ(response.field("vary"), "Accept-Encoding");
  }
  EXPECT_EQ(get("/both.js").body, "plain both");
}

TEST_F(Precompressed, AbsentSiblings) {
  for (int time = 0; time < 3; ++time) {
    const Response response = accepting("/alone.txt", "br, gzip");
    EXPECT_EQ(response.body, "plain alone");
    EXPECT_FALSE(response.has("content-encoding"));
    EXPECT_EQ(accepting("/missing.txt", "br, gzip").status, 404);
  }
}

TEST_F(Precompressed, OffByDefault) {
  const Response response = accepting("/off/both.js", "br, gzip");
  EXPECT_EQ(response.body, "plain both");
  EXPECT_FALSE(response.has("vary"));
}

// RFC 9110 15.4.5: what a cache is to renew, and nothing that describes content. Clients would decode it.
TEST_F(Precompressed, NotModifiedSaysOnlyWhatCachesRenew) {
  for (const char* method : {"GET", "HEAD"}) {
    const std::string coding = "Accept-Encoding: br\r\n";
    const std::string etag = accepting("/both.js", "br").field("etag");
    const Response unchanged = ask(method, "/both.js", coding + "If-None-Match: " + etag + "\r\n");
    EXPECT_EQ(unchanged.status, 304);
    EXPECT_EQ(unchanged.field("etag"), etag);
    EXPECT_EQ(unchanged.field("vary"), "Accept-Encoding");
    EXPECT_EQ(unchanged.field("cache-control"), "max-age=60");
    EXPECT_EQ(unchanged.field("x-more"), "yes");
    EXPECT_EQ(unchanged.fields.size(), 6U) << unchanged.head;  // Server and Date
  }
}

TEST_F(Precompressed, ErrorsAreNotSaidToBeCompressed) {
  const Response failed = get("/both.js", "Accept-Encoding: br\r\nIf-Match: \"other\"\r\n");
  EXPECT_EQ(failed.status, 412);
  EXPECT_FALSE(failed.has("content-encoding"));
  const Response unsatisfiable = get("/both.js", "Accept-Encoding: br\r\nRange: bytes=100-\r\n");
  EXPECT_EQ(unsatisfiable.status, 416);
  EXPECT_EQ(unsatisfiable.field("content-range"), "bytes */11");
  EXPECT_FALSE(unsatisfiable.has("content-encoding"));
}

// -- listings and the fallback

class Folders : public SharedServer<Folders> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("files/b.txt", "12345");
    folder.write("files/a&<b>.txt", "");
    folder.write("files/.secret", "");
    folder.write("files/sub/c.txt", "");
    folder.write("files/indexed/index.html", "index");
    folder.write("app/index.html", "<p>app");
    folder.write("app/app.js", "code");
    folder.write("app/folder/a.txt", "");
    folder.write("app/.env", "secret");
    return site_config({"path = \"/files/\"\nstatic = { root = \"files\", listing = true }",
                        "path = \"/app\"\nstatic = { root = \"app\", fallback = \"index.html\" }"});
  }
};

TEST_F(Folders, ListedAsHtml) {
  const Response response = get("/files/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.field("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(response.body.find("\"./b.txt\""), std::string::npos);
  EXPECT_NE(response.body.find("\"./sub/\""), std::string::npos);
  EXPECT_NE(response.body.find("a&amp;&lt;b&gt;.txt"), std::string::npos);
  EXPECT_EQ(response.body.find("<b>"), std::string::npos);
  EXPECT_EQ(response.body.find(".secret"), std::string::npos);
  EXPECT_EQ(get("/files/indexed/").body, "index");
  EXPECT_EQ(get("/files/sub").field("location"), "/files/sub/");
}

TEST_F(Folders, ListedAsJson) {
  for (int time = 0; time < 3; ++time) {
    const Response response = get("/files/", "Accept: application/json\r\n");
    EXPECT_EQ(response.field("content-type"), "application/json");
    const auto page = nlohmann::json::parse(response.body);
    EXPECT_EQ(page.at("path"), "/files/");
    std::vector<std::string> names;
    for (const auto& entry : page.at("entries")) names.push_back(entry.at("name"));
    EXPECT_EQ(names, (std::vector<std::string>{"indexed", "sub", "a&<b>.txt", "b.txt"}));
    EXPECT_EQ(page.at("entries")[3].at("size"), 5);
  }
}

TEST_F(Folders, FallbackForPagesThatRouteThemselves) {
  EXPECT_EQ(get("/app").field("location"), "/app/");
  for (const char* target : {"/app/", "/app/users/7?tab=1", "/app/folder/", "/app/app.js/"}) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(response.body, "<p>app") << target;
    EXPECT_EQ(response.field("content-type"), "text/html; charset=utf-8");
  }
  EXPECT_EQ(get("/app/app.js").body, "code");
  EXPECT_EQ(get("/app/.env").status, 404);
  EXPECT_EQ(ask("POST", "/app/users/7").status, 405);
}

}  // namespace

}  // namespace baton::test
