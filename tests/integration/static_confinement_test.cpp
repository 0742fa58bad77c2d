// A static route serves what is below its root, and of that only what is meant to be served.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/integration/shared_server.h"
#include "tests/support/wait.h"

namespace baton::test {

namespace {

namespace fs = std::filesystem;

class Confinement : public SharedServer<Confinement> {
 public:
  static std::string prepare(const TempDir& folder) {
    folder.write("secret.txt", "secret");
    folder.write("site-private/secret.txt", "secret");
    folder.write("site/small.txt", "small");
    folder.write("site/dir/inner.txt", "inner");
    for (const char* name : {".env", ".git/config", "dir/.hidden", "dir/.private/a.txt", "..double", "...",
                             ".well-known/.env"}) {
      folder.write(std::string("site/") + name, "secret");
    }
    folder.write("site/.well-known/security.txt", "contact");
    const fs::path site = folder.path() / "site";
    fs::create_symlink("../secret.txt", site / "out.txt");
    fs::create_symlink(folder.path() / "secret.txt", site / "out-absolute.txt");
    fs::create_symlink("..", site / "out-folder");
    fs::create_symlink("/proc/self", site / "out-magic");
    fs::create_symlink("small.txt", site / "in.txt");
    fs::create_symlink("../small.txt", site / "dir" / "up.txt");
    fs::create_symlink("dir", site / "in-folder");
    fs::create_symlink("nowhere", site / "dangling");
    fs::create_symlink("loop", site / "loop");
    ::mkfifo((site / "fifo").c_str(), 0644);
    return site_config({"path = \"/\"\nstatic = { root = \"site\" }",
                        "path = \"/listed/\"\nstatic = { root = \"site\", listing = true }"});
  }
};

TEST_F(Confinement, TraversalNeverLeavesTheRoot) {
  const char* const targets[] = {
      "/../secret.txt",
      "/dir/../../secret.txt",
      "/dir/./.././../secret.txt",
      "/./../secret.txt",
      "//../secret.txt",
      "/%2e%2e/secret.txt",
      "/%2E%2E%2Fsecret.txt",
      "/.%2e/secret.txt",
      "/..%2fsecret.txt",
      "/dir%2f..%2f..%2fsecret.txt",
      "/..%5csecret.txt",
      "/..\\secret.txt",
      "/%252e%252e/secret.txt",
      "/..%252fsecret.txt",
      "/%25252e%25252e%25252fsecret.txt",
      "/%c0%ae%c0%ae/secret.txt",
      "/..%c0%afsecret.txt",
      "/%e0%80%ae%e0%80%ae/secret.txt",
      "/%uff0e%uff0e/secret.txt",
      "/%u002e%u002e/secret.txt",
      "/..;/secret.txt",
      "/....//secret.txt",
      "/.../secret.txt",
      "/..%20/secret.txt",
      "/%2e%2e%00/secret.txt",
      "/../site-private/secret.txt",
      "/%2e%2e/site-private/secret.txt",
      "/..-private/secret.txt",
      "/-private/secret.txt",
      "/out-folder/secret.txt",
      "/out-folder/site/../secret.txt",
      "/dir/../out-folder/secret.txt",
      "/listed/../../secret.txt",
      "/listed/%2e%2e/%2e%2e/secret.txt",
      "/listed/..%2f..%2fsecret.txt",
      "http://localhost/../secret.txt",
      "http://localhost/%2e%2e/secret.txt",
      "/?/../secret.txt/../../secret.txt",
  };
  for (const char* target : targets) {
    const Response response = get(target);
    EXPECT_TRUE(response.status >= 400 && response.status < 500) << target << " " << response.status;
    EXPECT_EQ(response.body.find("secret</p>"), std::string::npos) << target;
    EXPECT_NE(response.body, "secret") << target;
  }
  EXPECT_EQ(get("//etc/passwd").status, 404);
  EXPECT_EQ(get("/%2fetc%2fpasswd").status, 404);
  EXPECT_EQ(get("/out-magic/environ").status, 404);
}

TEST_F(Confinement, EveryPathOutOfAnyDepthIsRefused) {
  const char* const ups[] = {"..", "%2e%2e", ".%2E", "%2e."};
  const char* const slashes[] = {"/", "%2f", "//"};
  for (const char* up : ups) {
    for (const char* slash : slashes) {
      for (int depth = 1; depth <= 12; ++depth) {
        std::string target = "/dir";
        for (int i = 0; i <= depth; ++i) target += std::string(slash) + up;
        target += std::string(slash) + "etc" + slash + "passwd";
        const int status = get(target).status;
        EXPECT_TRUE(status == 400 || status == 404) << target << " " << status;
      }
    }
  }
}

TEST_F(Confinement, DotsInsideTheRootAreResolved) {
  EXPECT_EQ(get("/dir/../small.txt").body, "small");
  EXPECT_EQ(get("/dir/%2e%2e/./small.txt").body, "small");
  EXPECT_EQ(get("/missing/../dir//inner.txt").body, "inner");
}

TEST_F(Confinement, DotFilesAreNotServed) {
  for (const char* target :
       {"/.env", "/.git/config", "/.git/", "/.git", "/dir/.hidden", "/dir/.private/a.txt", "/..double",
        "/...", "/%2eenv", "/dir/%2Ehidden", "/.well-known/.env", "/listed/.env", "/listed/.git/"}) {
    EXPECT_EQ(get(target).status, 404) << target;
  }
  EXPECT_EQ(get("/.well-known/security.txt").body, "contact");
}

TEST_F(Confinement, SymbolicLinks) {
  for (int time = 0; time < 3; ++time) {
    for (const char* target :
         {"/out.txt", "/out-absolute.txt", "/out-folder/secret.txt", "/out-folder/", "/dangling", "/loop"}) {
      EXPECT_EQ(get(target).status, 404) << target;
    }
    EXPECT_EQ(get("/in.txt").body, "small");
    EXPECT_EQ(get("/dir/up.txt").body, "small");
    EXPECT_EQ(get("/in-folder/inner.txt").body, "inner");
    EXPECT_EQ(get("/in-folder").field("location"), "/in-folder/");
  }
  const std::string listing = get("/listed/").body;
  EXPECT_NE(listing.find("in.txt"), std::string::npos);
  EXPECT_EQ(listing.find("out"), std::string::npos);
}

TEST_F(Confinement, FifosAndSocketsDoNotHang) {
  const std::string path = (folder_->path() / "site" / "socket").string();
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);

  Client client = server_->connect();
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(client.get("/fifo").status, 404);
    EXPECT_EQ(client.get("/socket").status, 404);
  }
  const UniqueFd other_end(::open((folder_->path() / "site" / "fifo").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(client.get("/fifo").status, 404);
}

TEST(Permissions, UnreadableFilesAreForbidden) {
  const TempDir folder;
  const std::string file = folder.write("site/file.txt", "secret");
  const std::string inner = folder.write("site/folder/inner.txt", "secret");
  folder.write("site/open.txt", "open");
  ::chmod(file.c_str(), 0);
  ::chmod((folder.path() / "site" / "folder").c_str(), 0);
  // To root every file is readable.
  const std::string user = ::geteuid() == 0 ? "user = \"nobody\"\n" : "";
  const Server server(folder, static_config("site", ", listing = true", user));
  Client client = server.connect();
  EXPECT_EQ(client.get("/file.txt").status, 403);
  EXPECT_EQ(client.get("/folder/inner.txt").status, 403);
  EXPECT_EQ(client.get("/folder/").status, 403);
  EXPECT_EQ(client.get("/open.txt").body, "open");

  ::chmod(file.c_str(), 0644);
  EXPECT_EQ(client.get("/file.txt").body, "secret");
  // What is open already is looked at again after a second.
  ::chmod(file.c_str(), 0);
  EXPECT_TRUE(wait_until([&] { return client.get("/file.txt").status == 403; }));
  ::chmod((folder.path() / "site" / "folder").c_str(), 0755);  // so that it can be removed
}

}  // namespace

}  // namespace baton::test
