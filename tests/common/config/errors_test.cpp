// Every mistake a file can make: where it is reported, and what the message says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/config/text.h"
#include "tests/common/config/fixture.h"

namespace baton {
namespace {

using testing::HasSubstr;

struct Mistake {
  std::string text;
  std::string position;  // "line:column"
  std::string message;   // a part of it
};

// Puts a mistake into a file that is otherwise good. `{}` of a frame becomes the mistake, and its first line
// is line 1.
std::string top(const std::string& text) {
  return text + "\n[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n";
}
std::string listen(const std::string& text) {
  return "[[site]]\n[[listen]]\n" + text;
}
std::string site(const std::string& text) {
  return "[[listen]]\naddress = \"127.0.0.1:0\"\n[[site]]\n" + text;  // the text begins in line 4
}
std::string route(const std::string& text) {
  return site("[[site.route]]\npath = \"/\"\n" + text);
}  // in line 6

class ConfigErrorsTest : public ConfigTest {
 protected:
  void expect_each_alone(const std::vector<Mistake>& mistakes) const {
    for (const Mistake& mistake : mistakes) {
      const ConfigResult result = load(mistake.text);
      EXPECT_FALSE(result.config) << mistake.text;
      ASSERT_EQ(result.errors.size(), 1U)
          << mistake.text << (result.errors.empty() ? "" : "\n" + result.errors.back().to_string());
      const std::string text = result.errors[0].to_string();
      EXPECT_THAT(text, HasSubstr(path("baton.toml") + ":" + mistake.position + ": ")) << mistake.text;
      EXPECT_THAT(text, HasSubstr(mistake.message)) << mistake.text;
    }
  }
};

TEST_F(ConfigErrorsTest, Syntax) {
  expect_each_alone({
      {"[server", "1:8", "table"},
      {"[server]\nname = \n", "2:8", "expected value"},
      {"[server]\nname = \"a\"\nname = \"b\"\n", "3:8", "cannot redefine existing string 'name'"},
      {"[server]\n\n  \xff", "3:2", "invalid utf-8"},
      {"x = \"unterminated", "1:18", "encountered end-of-file"},
  });
}

// Files on which toml++ 3.3 by itself stops the process or leaves defined behaviour.
TEST_F(ConfigErrorsTest, SyntaxThatTheLibraryTakesBadly) {
  expect_each_alone({
      {"[=]", "1:2", "saw '='"},
      {"[&", "1:2", "saw '&'"},
      {"\u0449 = 1", "1:1", ""},
      {"\xcc\xaa", "1:1", ""},
  });
  const Config config = good(route("respond = { body = \"\"\"\\\n\u00a7\"\"\" }"));
  ASSERT_EQ(config.sites.size(), 1U);
  EXPECT_EQ(std::get<RespondConfig>(config.sites[0].routes[0].action).body, "\u00a7");
}

TEST_F(ConfigErrorsTest, UnknownKeysNameTheNearest) {
  expect_each_alone({
      {top("[server]\nwokers = 2"), "2:1", "unknown key 'wokers' in [server]; did you mean 'workers'?"},
      {top("[sever]\nworkers = 2"), "1:2", "unknown key 'sever' in the file; did you mean 'server'?"},
      {top("colour = 2"), "1:1",
       "unknown key 'colour' in the file; known keys: server, log, timeouts, limits, listen, site, tls, "
       "dict"},
      {top("[log]\n  \"acess\" = 2"), "2:3", "unknown key 'acess' in [log]; did you mean 'access'?"},
      {top("[timeouts]\nheaders = \"1s\""), "2:1", "did you mean 'header'?"},
      {top("[limits]\nheader_byte = 1"), "2:1", "did you mean 'header_bytes'?"},
      {top("[limits]\nheader_field = 1"), "2:1", "did you mean 'header_fields'?"},
      {listen("address = \"*:0\"\nbackog = 1"), "4:1",
       "unknown key 'backog' in [[listen]]; did you mean 'backlog'?"},
      {site("host = [\"a\"]"), "4:1", "unknown key 'host' in [[site]]; did you mean 'hosts'?"},
      {site("[[site.routes]]\npath = \"/\""), "4:8",
       "unknown key 'routes' in [[site]]; did you mean 'route'?"},
      {route("stats = true\nstatus = true"), "6:1",
       "unknown key 'stats' in [[site.route]]; did you mean 'status'?"},
      {route("static = { root = \"site\", lsiting = true }"), "6:27",
       "unknown key 'lsiting' in [site.route.static]; did you mean 'listing'?"},
      {route("redirect = { to = \"/\", code = 301 }"), "6:24",
       "unknown key 'code' in [site.route.redirect]; known keys: to, status"},
      {route("[site.route.respond]\nbdy = \"x\""), "7:1",
       "unknown key 'bdy' in [site.route.respond]; did you mean 'body'?"},
  });
}

TEST_F(ConfigErrorsTest, Server) {
  expect_each_alone({
      {top("server = 1"), "1:10", "'server' in the file is an integer; expected a table"},
      {top("[[server]]"), "1:1", "'server' in the file is an array; expected a table"},
      {top("[server]\nname = 1"), "2:8", "'name' in [server] is an integer; expected a string"},
      {top("[server]\nname = \"\""), "2:8", "expected 1 to 63 letters"},
      {top("[server]\nname = \"a b\""), "2:8", "'name' is 'a b'; expected"},
      {top("[server]\nname = \"" + std::string(64, 'n') + "\""), "2:8", "expected 1 to 63"},
      {top("[server]\nworkers = 0"), "2:11", "'workers' is 0; expected from 1 to 64"},
      {top("[server]\nworkers = 65"), "2:11", "'workers' is 65; expected from 1 to 64"},
      {top("[server]\nworkers = \"2\""), "2:11",
       "'workers' is '2'; expected \"auto\" or an integer from 1 to 64"},
      {top("[server]\nworkers = 2.0"), "2:11", "is a floating-point number; expected an integer"},
      {top("[server]\nmax_connections = 1000001"), "2:19", "expected from 1 to 1000000"},
      {top("[server]\nmax_connections = 1979-05-27"), "2:19", "is a date or time; expected an integer"},
      {top("[server]\nuser = \"no such user\""), "2:8",
       "'user' is 'no such user', which this system does not know"},
      {top("[server]\ngroup = \"no such group\""), "2:9", "'group' is 'no such group', which"},
      {top("[server]\npid_file = \"none/baton.pid\""), "2:12",
       "'pid_file': the folder " + path("none") + " does not exist"},
      {top("[server]\npid_file = \"site\""), "2:12", "is a folder; expected the path of a file"},
      {top("[server]\npid_file = \"a\\u0000b\""), "2:12", "contains a control character"},
      {top("[server]\nshutdown_timeout = \"0s\""), "2:20", "'shutdown_timeout' is '0s'; expected 1ms to 24h"},
  });
}

TEST_F(ConfigErrorsTest, DurationsAndSizes) {
  const std::string bad_duration = "expected a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\"";
  const std::string bad_size = "expected bytes as an integer or a string such as \"16K\", \"1M\" or \"1G\"";
  std::vector<Mistake> mistakes;
  for (const char* text : {"", "10", "s", "10 s", " 10s", "10S", "-10s", "+10s", "1.5s", "10d", "1m30s",
                           "9999999999999999999s", "9223372036854775807h"}) {
    mistakes.push_back({top("[timeouts]\nbody = \"" + std::string{text} + "\""), "2:8", bad_duration});
  }
  for (const char* text :
       {"", "K", "16k", "16KB", "16kiB", "1iB", "1.5M", "-1K", "16 K", "9223372036854775807G"}) {
    mistakes.push_back({top("[limits]\nbody_bytes = \"" + std::string{text} + "\""), "2:14", bad_size});
  }
  mistakes.insert(
      mistakes.end(),
      {{top("[timeouts]\nbody = 10"), "2:8", "'body' in [timeouts] is an integer; " + bad_duration},
       {top("[timeouts]\nsend = \"25h\""), "2:8", "'send' is '25h'; expected 1ms to 24h"},
       {top("[limits]\nheader_bytes = 1023"), "2:16", "is 1023 bytes; expected from 1024 to 65536"},
       {top("[limits]\nheader_fields = 0"), "2:17", "expected from 1 to 1000"},
       {top("[limits]\nheader_fields = 1001"), "2:17", "expected from 1 to 1000"},
       {top("[limits]\nheader_bytes = \"65K\""), "2:16", "is 66560 bytes; expected from 1024 to 65536"},
       {top("[limits]\nbody_bytes = -1"), "2:14", "expected from 0 to"},
       {top("[limits]\nbody_bytes = true"), "2:14", "is a boolean; " + bad_size},
       {top("[limits]\nworker_memory = 64"), "2:17", "is 64 bytes; expected at least 1M, or 0 for no limit"},
       {top("[limits]\nmodule_workers = 0"), "2:18", "expected from 1 to 64"},
       {top("[limits]\nmodule_workers = \"all\""), "2:18", "expected \"auto\" or an integer from 1 to 64"},
       {top("[limits]\nretries = 11"), "2:11", "expected from 0 to 10"},
       {top("[limits]\nrequests_per_connection = 4294967296"), "2:27", "expected from 0 to 4294967295"},
       {top("[limits]\nrequests_per_worker = \"1\""), "2:23", "is a string; expected an integer"}});
  expect_each_alone(mistakes);
}

TEST_F(ConfigErrorsTest, Log) {
  write("", "plain");
  expect_each_alone({
      {top("[log]\nlevel = \"verbose\""), "2:9",
       "'level' is 'verbose'; expected one of trace, debug, info, warn, error"},
      {top("[log]\naccess_format = \"common\""), "2:17", "expected one of combined, json"},
      {top("[log]\nerror = \"stdout\""), "2:9", "'error' is 'stdout'; expected \"stderr\", or a path"},
      {top("[log]\naccess = \"stderr\""), "2:10", "expected \"off\", \"stdout\", or a path"},
      {top("[log]\naccess = \"\""), "2:10", "'access' is empty; expected a path"},
      {top("[log]\naccess = \"none/access.log\""), "2:10", "the folder " + path("none") + " does not exist"},
      {top("[log]\nerror = \"plain/error.log\""), "2:9", "the folder " + path("plain") + " is not a folder"},
      {top("[log]\nerror = \"site\""), "2:9", "is a folder; expected the path of a file"},
  });
}

TEST_F(ConfigErrorsTest, Listen) {
  expect_each_alone({
      {"[[site]]\n", "1:1", "no [[listen]] in the file"},
      {"listen = []\n[[site]]\n", "1:10", "'listen' is empty; expected at least one [[listen]]"},
      {"[[site]]\n[listen]\naddress = \"*:0\"\n", "2:1",
       "is a table; expected an array of tables, each begun by [[listen]]"},
      {"listen = [1]\n[[site]]\n", "1:11", "'listen' in the file is an integer; expected an array of tables"},
      {listen("backlog = 1"), "2:1", "[[listen]] has no 'address', which it needs"},
      {listen("address = 80"), "3:11", "'address' in [[listen]] is an integer; expected a string"},
      {listen("address = \"localhost:80\""), "3:11",
       "bad address: 'localhost' is not an IP address, and names"},
      {listen("address = \"*:0\"\nbacklog = 0"), "4:11", "'backlog' is 0; expected from 1 to 65535"},
      {listen("address = \"unix:none/x.sock\""), "3:11",
       "'address': the folder " + path("none") + " does not exist"},
      {listen("address = \"unix:" + std::string(107, 'x') + "\""), "3:11", "longer than 107 bytes"},
      {listen("address = \"unix:\""), "3:11", "no path after unix:"},
      {listen("address = \"*:80\"\n[[listen]]\naddress = \"0.0.0.0:80\""), "5:11",
       "'0.0.0.0:80' is already listened on: " + path("baton.toml") + ":3:11 has the same address"},
      {listen("address = \"unix:x\"\n[[listen]]\naddress = \"unix:./site/../x\""), "5:11",
       ":3:11 has the same address"},
      {listen("address = \"[::1]:80\"\n[[listen]]\naddress = \"[0:0::1]:80\""), "5:11",
       ":3:11 has the same address"},
      {listen("address = \"*:80\"\n[[listen]]\naddress = \"127.0.0.1:80\""), "5:11",
       "'127.0.0.1:80' is already listened on: it is a part of '*:80' at " + path("baton.toml") + ":3:11"},
      {listen("address = \"[::1]:80\"\n[[listen]]\naddress = \"[::]:80\""), "5:11",
       "'[::]:80' is in part listened on already: '[::1]:80' at " + path("baton.toml") + ":3:11 is a part"},
      {listen("address = \"[::ffff:127.0.0.1]:80\""), "3:11", "is an IPv4 address in IPv6 form"},
  });
}

TEST_F(ConfigErrorsTest, Dicts) {
  const std::string name = "[[dict]]\nname = \"a\"\n";
  expect_each_alone({
      {top("dict = 1"), "1:8", "'dict' in the file is an integer; expected an array of tables"},
      {top("[dict]\nname = \"a\""), "1:1", "'dict' in the file is a table; expected an array of tables"},
      {top("[[dict]]\nsize = \"1M\""), "1:1", "[[dict]] has no 'name', which it needs"},
      {top(name), "1:1", "[[dict]] has no 'size', which it needs"},
      {top(name + "sise = 1\nsize = \"1M\""), "3:1", "unknown key 'sise' in [[dict]]; did you mean 'size'?"},
      {top("[[dict]]\nname = \"a/b\"\nsize = \"1M\""), "2:8",
       "'name' is 'a/b'; expected 1 to 63 letters, digits, '.', '_' or '-'"},
      {top("[[dict]]\nname = \"\"\nsize = \"1M\""), "2:8", "expected 1 to 63"},
      {top("[[dict]]\nname = \"" + std::string(64, 'n') + "\"\nsize = \"1M\""), "2:8", "expected 1 to 63"},
      {top("[[dict]]\nname = 1\nsize = \"1M\""), "2:8", "'name' in [[dict]] is an integer"},
      {top(name + "size = \"16MB\""), "3:8", "'size' is '16MB'; expected bytes"},
      {top(name + "size = \"63KiB\""), "3:8", "'size' is 64512 bytes; expected from 65536 to 4294967296"},
      {top(name + "size = 4294967297"), "3:8", "expected from 65536 to 4294967296"},
      {top(name + "size = \"1M\"\n" + name + "size = \"2M\""), "5:8",
       "there is already a dictionary 'a': line 2 has the same name"},
  });
  std::string many;
  for (int i = 0; i < 64; ++i) many += "[[dict]]\nname = \"d" + std::to_string(i) + "\"\nsize = 65536\n";
  EXPECT_EQ(good(top(many)).dicts.size(), 64U);
  expect_each_alone(
      {{top(many + name + "size = \"1M\""), "193:1", "this is dictionary 65; expected at most 64"}});
}

TEST_F(ConfigErrorsTest, Sites) {
  const std::string only_listen = "[[listen]]\naddress = \"*:0\"\n";
  expect_each_alone({
      {only_listen, "1:1", "no [[site]] in the file"},
      {"site = []\n" + only_listen, "1:8", "'site' is empty; expected at least one [[site]]"},
      {only_listen + "[site]\n", "3:1", "is a table; expected an array of tables, each begun by [[site]]"},
      {site("hosts = \"a.example\""), "4:9", "'hosts' in [[site]] is a string; expected an array of strings"},
      {site("hosts = [\"a.example\", 1]"), "4:23", "'hosts' in [[site]] is an integer; expected a string"},
      {site("hosts = [\"a.example:80\"]"), "4:10", "hosts are written without a port"},
      {site("hosts = [\"*\"]"), "4:10", "the default site is the one that has no hosts"},
      {site("hosts = [\"a.*.example\"]"), "4:10", "'*' may only stand first"},
      {site("hosts = [\"*a.example\"]"), "4:10", "'*' may only stand first"},
      {site("hosts = [\"a.example.\"]"), "4:10", "without the dot at its end"},
      {site("hosts = [\"m\u00fcnchen.example\"]"), "4:10", "ASCII form (xn--...)"},
      {site("hosts = [\"\"]"), "4:10", "'' is not a host; expected a name such as example.com"},
      {site("hosts = [\"a..b\"]"), "4:10", "'a..b' is not a host"},
      {site("hosts = [\"-a.example\"]"), "4:10", "is not a host"},
      {site("hosts = [\"a b\"]"), "4:10", "is not a host"},
      {site("hosts = [\"http://a\"]"), "4:10", "without a port"},
      {site("hosts = [\"[::1\"]"), "4:10", "'[::1' is not an IPv6 address in brackets"},
      {site("hosts = [\"" + std::string(64, 'a') + "\"]"), "4:10", "is not a host"},
      {site("hosts = [\"a.example\", \"A.Example\"]"), "4:23",
       "host 'a.example' is already taken: line 4 has it"},
      {site("hosts = [\"a.example\"]\n[[site]]\nhosts = [\"b.example\", \"a.example\"]"), "6:23",
       "line 4 has it"},
      {site("[[site]]"), "4:1", "no hosts, but the one in line 3 already is the default site"},
      {site("hosts = []\n[[site]]"), "5:1", "already is the default site"},
  });
}

TEST_F(ConfigErrorsTest, Routes) {
  const std::string status = "\nstatus = true\n";
  std::vector<Mistake> mistakes{
      {site("route = 1"), "4:9", "expected an array of tables, each begun by [[route]]"},
      {site("[[site.route]]\nstatus = true"), "4:1", "[[site.route]] has no 'path', which it needs"},
      {site("[[site.route]]\npath = \"/\""), "4:1",
       "expected one of static, module, redirect, respond or status"},
      {site("[[site.route]]\npath = \"/a\"" + status + "[[site.route]]\npath = \"/a/\"" + status), "7:1",
       "path '/a/' is already routed in this site: the route in line 4 matches the same requests"},
      {route("status = true\nredirect = { to = \"/\" }"), "7:12",
       "has 'status' and 'redirect'; expected only one"},
      {route("status = false"), "6:10", "'status' is false; expected true"},
      {route("status = 1"), "6:10", "'status' in [[site.route]] is an integer; expected true or false"},
      {route("module = {}"), "6:10", "[site.route.module] has no 'file', which it needs"},
      {route("module = { file = \"\" }"), "6:19", "'file' is empty; expected a shared object"},
      {route("module = { file = \"x.so\" }"), "6:19",
       "'file': the module " + path("x.so") + " does not exist"},
      {route("module = { file = \"site\" }"), "6:19",
       "'file': the module " + path("site") + " is not a file"},
      {route("module = { file = \"baton.toml\", config = 1 }"), "6:42", "is an integer; expected a table"},
      {route("module = { file = \"baton.toml\", config = { a = [1, 1979-05-27] } }"), "6:52",
       "a module is not given dates or times; expected a string in their place"},
      {route("module = { file = \"baton.toml\", timeout = \"1\" }"), "6:43", "expected a duration such as"},
      {route("module = { file = \"baton.toml\", max_body = -1 }"), "6:44", "expected from 0 to"},
      {route("module = { file = \"baton.toml\", max_concurrency = 65 }"), "6:51", "expected from 0 to 64"},
      {route("module = { file = \"baton.toml\", retries = 11 }"), "6:43", "expected from 0 to 10"},
      {route("static = \"site\""), "6:10", "is a string; expected a table"},
      {route("static = {}"), "6:10", "[site.route.static] has no 'root', which it needs"},
      {route("static = { root = \"\" }"), "6:19", "'root' is empty; expected a folder"},
      {route("static = { root = \"none\" }"), "6:19",
       "'root': the folder " + path("none") + " does not exist"},
      {route("static = { root = \"baton.toml\" }"), "6:19", "is not a folder"},
      {route("static = { root = \"site\", index = 1 }"), "6:35", "expected an array of strings"},
      {route("static = { root = \"site\", index = [\"a\", \"b/c\"] }"), "6:41",
       "'index' has 'b/c'; expected the name"},
      {route("static = { root = \"site\", index = \"..\" }"), "6:35", "'index' has '..'"},
      {route("static = { root = \"site\", cache_control = \"a\\r\\nb\" }"), "6:43",
       "'cache_control': a field value cannot"},
      {route("static = { root = \"site\", fallback = \"../x\" }"), "6:38",
       "expected the path of a file below the root"},
      {route("static = { root = \"site\", fallback = \"/\" }"), "6:38",
       "expected the path of a file below the root"},
      {route("redirect = {}"), "6:12", "[site.route.redirect] has no 'to', which it needs"},
      {route("redirect = { to = \"/\", status = 304 }"), "6:33", "expected 301, 302, 303, 307 or 308"},
      {route("redirect = { to = \"/\", status = 200 }"), "6:33", "'status' is 200; expected from 301 to 308"},
      {route("respond = { status = 100 }"), "6:22", "'status' is 100; expected from 200 to 599"},
      {route("respond = { status = 204, body = \"x\" }"), "6:34", "status 204 cannot have a body"},
      {route("respond = { type = \"\" }"), "6:20", "'type' is empty; expected a media type"},
      {route("respond = { type = \"a\\nb\" }"), "6:20", "'type': a field value cannot"},
  };
  for (const char* path : {"", "a", "//", "/a//b", "/./a", "/a/..", "/a?b", "/a#b", "/a%20b", "/a\\u0007"}) {
    mistakes.push_back(
        {site("[[site.route]]\npath = \"" + std::string{path} + "\"" + status), "5:8", "path"});
  }
  for (const char* to :
       {"", "x", "ftp://x/", "/a b", "/{path}", "/{host", "/}", "/\\\"", "/\u00fc", "/{}", "/{Host}",
        "/{{uri}}", "https:///x", "http://", "https://{uri}", "//", "///x", "//{uri}", "https://?a"}) {
    mistakes.push_back({route("redirect = { to = \"" + std::string{to} + "\" }"), "6:19", "'to': "});
  }
  expect_each_alone(mistakes);
}

TEST_F(ConfigErrorsTest, HeadersAndNetworks) {
  std::vector<Mistake> mistakes{
      {route("status = true\nheaders = [\"a\"]"), "7:11", "is an array; expected a table"},
      {route("status = true\nheaders = { \"X A\" = \"1\" }"), "7:13", "'X A' is not a field name"},
      {route("status = true\nheaders = { \"\" = \"1\" }"), "7:13", "'' is not a field name"},
      {route("status = true\nheaders = { X-A = 1 }"), "7:19",
       "'X-A' in [[site.route]] is an integer; expected a string"},
      {route("status = true\nheaders = { X-A = \"1\", x-a = \"2\" }"), "7:24", "field 'x-a' is there twice"},
      {route("status = true\nallow = \"10.0.0.0/8\""), "7:9", "expected an array of strings"},
      {route("status = true\nallow = [\"::1\", \"10.0.0.0/33\"]"), "7:17",
       "'allow' has '10.0.0.0/33'; expected a network"},
      {route("status = true\ndeny = [\"localhost\"]"), "7:9", "'deny' has 'localhost'; expected a network"},
  };
  for (const char* name : {"Content-Length", "transfer-encoding", "Connection", "DATE", "Host", "Server"}) {
    mistakes.push_back({route("status = true\nheaders = { " + std::string{name} + " = \"1\" }"), "7:13",
                        "is written by the server itself"});
  }
  for (const char* value : {"a\\rb", "a\\nb", "a\\r\\nX: y", "\\u0000", "a\\u007f", "\\u001b[0m"}) {
    mistakes.push_back({route("status = true\nheaders = { X-A = \"" + std::string{value} + "\" }"), "7:19",
                        "'X-A': a field value cannot contain line breaks"});
  }
  expect_each_alone(mistakes);
}

TEST_F(ConfigErrorsTest, AllMistakesOfAFileAreReportedInItsOrder) {
  const ConfigResult result = load(R"([[site]]
hosts = ["a:1", 7]
  [[site.route]]
  path = "x"
  static = { rot = "site", listing = 1 }
  respond = { status = 1 }
[limits]
retries = -1
[server]
wokers = 2
name = ""
[[listen]]
address = "nowhere"
backlog = "many"
[log]
level = 3
)");
  std::vector<std::string> found;
  for (const ConfigError& error : result.errors) {
    EXPECT_EQ(error.file, path("baton.toml"));
    found.push_back(std::to_string(error.line) + ":" + std::to_string(error.column));
  }
  const std::vector<std::string> expected{"2:10", "2:17", "4:10", "5:12", "5:14",  "5:38",  "6:13",
                                          "6:24", "8:11", "10:1", "11:8", "13:11", "14:11", "16:9"};
  EXPECT_EQ(found, expected);
  EXPECT_FALSE(result.config);
}

TEST_F(ConfigErrorsTest, AnEmptyFileLacksBothTables) {
  const ConfigResult result = load("");
  ASSERT_EQ(result.errors.size(), 2U);
  EXPECT_THAT(result.errors[0].message, HasSubstr("no [[listen]]"));
  EXPECT_THAT(result.errors[1].message, HasSubstr("no [[site]]"));
}

TEST_F(ConfigErrorsTest, ColumnsCountCharacters) {
  expect_each_alone(
      {{route("respond = { body = \"\u00fc\u4e2d\", stats = 1 }"), "6:26", "unknown key 'stats'"}});
}

TEST_F(ConfigErrorsTest, MessagesShowControlCharacters) {
  const ConfigResult result = load_config_text(top("\"a\\u001b[2J\\n\" = 1"), "some/where.toml");
  ASSERT_EQ(result.errors.size(), 1U);
  EXPECT_THAT(result.errors[0].to_string(),
              HasSubstr("some/where.toml:1:1: unknown key 'a\\x1b[2J\\x0a' in the file"));
}

}  // namespace
}  // namespace baton
