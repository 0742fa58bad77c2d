#!/usr/bin/env python3
"""What clients see when a worker or the master is killed, or the server is reloaded, recycled or upgraded: baton and its peers.

    tests/survival/peers.py BUILD [ROUNDS] [SERVER ...]

For each server and event: starts the server on a loopback port with a temporary configuration, brings one client into each state of STATES,
lets the event happen, lets the clients go on, and notes what each saw. Prints one Markdown table. Everything runs below this process, which is a
subreaper, and is ended by pid; nothing outside the temporary folder is written, except baton's segment, which is removed again. Deadlines here only bound the observation: "hung" means that
nothing came within PATIENCE seconds. BUILD is the folder of baton's binaries.

nginx, Apache and HAProxy have no handlers of their own: theirs is a back end (in this process) that they proxy to, and so it is for uploads, and for
everything with HAProxy. php-fpm stands behind nginx; what happens to it happens to php-fpm alone.
"""

import collections
import contextlib
import ctypes
import dataclasses
import http.server
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Callable

PATIENCE = 5.0  # seconds without a byte that count as hung
BIG = 24 << 20  # larger than any socket buffers on the way
PAGE = 100 << 10
PIPELINED = 100
UPLOAD = 256 << 10
ROOT = os.geteuid() == 0
PR_SET_CHILD_SUBREAPER = 36


# -- processes ------------------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def wait_until(condition: Callable[[], object], seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        reap()
        time.sleep(0.01)
    return True


def end_everything() -> None:
    """Only this process's own descendants: orphans come back to it, because it is their subreaper."""
    while left := [pid for pid in descendants(os.getpid()) if alive(pid)]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.01)
    reap()


def holders(port: int, client_port: int) -> set[int]:
    """The processes that have the server's end of that connection open."""
    inodes = set()
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        field = line.split()
        if int(field[1].split(":")[1], 16) == port and int(field[2].split(":")[1], 16) == client_port:
            inodes.add(f"socket:[{field[9]}]")
    found = set()
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{name}") in inodes:
                        found.add(pid)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# -- the application, the same for every server ----------------------------------------------------------------------------


class Folder:
    """What one run uses; handlers say here that they were entered, and wait here to be released."""

    def __init__(self, big: pathlib.Path):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="peers."))
        self.path.chmod(0o755)
        self.files = self.path / "files"
        self.files.mkdir()
        os.link(big, self.files / "big")
        (self.files / "small").write_bytes(b"small\n")
        (self.files / "page").write_bytes(b"p" * PAGE)
        (self.path / "entered").mkdir()
        (self.path / "entered").chmod(0o777)

    def write(self, name: str, text: str) -> str:
        (self.path / name).write_text(text)
        return str(self.path / name)

    def entered(self, what: str) -> int:
        return len(list((self.path / "entered").glob(what + ".*")))

    def release(self) -> None:
        (self.path / "release").touch()


def handle_slowly(folder: str, what: str) -> bytes:
    handle, _ = tempfile.mkstemp(prefix=what + ".", dir=folder + "/entered")
    os.close(handle)
    end = time.monotonic() + 30
    while not os.path.exists(folder + "/release") and time.monotonic() < end:
        time.sleep(0.01)
    return b"slow\n"


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = ""

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            return self.answer(handle_slowly(self.folder, "get"))
        self.answer(pathlib.Path(self.folder, "files", self.path.lstrip("/")).read_bytes())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/slow"):
            return self.answer(handle_slowly(self.folder, "post"))
        self.answer(b"%d\n" % len(body))

    def handle(self) -> None:
        with contextlib.suppress(OSError, TypeError, ValueError):  # its client may die at any moment
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


class Backends(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


WSGI = """
import os, sys
sys.path.insert(0, {here!r})
import peers
def application(environ, start_response):
    path = environ["PATH_INFO"].lstrip("/")
    size = int(environ.get("CONTENT_LENGTH") or 0)
    read = 0
    while read < size:
        piece = environ["wsgi.input"].read(min(65536, size - read))
        if not piece: raise OSError("the client has gone")
        read += len(piece)
    if path == "slow": body = peers.handle_slowly({folder!r}, environ["REQUEST_METHOD"].lower())
    elif environ["REQUEST_METHOD"] == "POST": body = b"%d\\n" % size
    else:
        size = os.path.getsize({folder!r} + "/files/" + path)
        start_response("200 OK", [("Content-Length", str(size))])
        return environ["wsgi.file_wrapper"](open({folder!r} + "/files/" + path, "rb"))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

PHP = """<?php
$folder = '%s'; $path = ltrim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/'); $method = $_SERVER['REQUEST_METHOD'];
if ($path === 'slow') {
  tempnam("$folder/entered", strtolower($method) . '.');
  for ($i = 0; $i < 3000 && !file_exists("$folder/release"); ++$i) { usleep(10000); clearstatcache(); }
  header('Content-Length: 5'); echo "slow\\n";
} elseif ($method === 'POST') {
  $body = strlen(file_get_contents('php://input')) . "\\n"; header('Content-Length: ' . strlen($body)); echo $body;
} else {
  header('Content-Length: ' . filesize("$folder/files/$path")); readfile("$folder/files/$path");
}
"""

# -- the servers ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Running:
    port: int
    master: int


@dataclasses.dataclass
class Server:
    name: str
    version: Callable[[], str]
    start: Callable[[Folder, int, bool], Running]  # (folder, the back end's port, whether workers are to be recycled)
    reload: int
    recycles: bool = False
    upgrade: Callable[[Running, Folder], bool] | None = None
    behind: bool = False  # another server has the clients: all its workers are killed, and not those that hold a client
    leaves_segment: bool = False  # in shared memory, when it is killed; its next start replaces it, a stop removes it


def run(folder: Folder, *command: str, **options) -> int:
    with open(folder.path / "log", "ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder.path, **options).pid


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def program(*names: str) -> str:
    for name in names:
        if path := shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return path
    raise SystemExit(f"peers.py: {names[0]} is not installed")


def start_baton(build: str):
    def start(folder: Folder, _: int, recycle: bool) -> Running:
        port = free_port()
        module = os.path.abspath(f"{build}/tests/modules/peer.so")
        config = folder.write("baton.toml", f"""
[server]
workers = 4
[limits]
requests_per_worker = {50 if recycle else 0}
[[listen]]
address = "127.0.0.1:{port}"
[[site]]
[[site.route]]
path = "/"
static = {{ root = "files" }}
[[site.route]]
path = "/upload"
module = {{ file = "{module}", config = {{ folder = "{folder.path}" }} }}
[[site.route]]
path = "/slow"
module = {{ file = "{module}", config = {{ folder = "{folder.path}" }}, timeout = "60s" }}
""")
        return Running(port, run(folder, f"{build}/baton", "-c", config))

    return start


def upgrade_baton(build: str):
    def upgrade(_: Running, folder: Folder) -> bool:
        ctl = subprocess.run([f"{build}/batonctl", "-c", str(folder.path / "baton.toml"), "upgrade"], capture_output=True)
        return ctl.returncode == 0

    return upgrade


NGINX = """
{user}
worker_processes 2;
pid {path}/nginx.pid;
error_log {path}/log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {path}/t1; proxy_temp_path {path}/t2; fastcgi_temp_path {path}/t3; uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
  server {{
    listen 127.0.0.1:{port};
    root {path}/files;
    {locations}
  }}
}}
"""


def run_nginx(folder: Folder, locations: str) -> Running:
    port = free_port()
    config = folder.write("nginx.conf", NGINX.format(user="user www-data;" if ROOT else "", path=folder.path, port=port, locations=locations))
    # In the foreground nginx takes the parent that it keeps for a sign that it was upgraded itself, and refuses SIGUSR2: so as a daemon.
    run(folder, program("nginx"), "-e", str(folder.path / "log"), "-c", config)
    pid_file = folder.path / "nginx.pid"
    if not wait_until(lambda: pid_file.exists() and pid_file.read_text().strip()):
        raise SystemExit("nginx did not start:\n" + (folder.path / "log").read_text())
    return Running(port, int(pid_file.read_text()))


def start_nginx(folder: Folder, backend: int, _: bool) -> Running:
    proxy = f"proxy_pass http://127.0.0.1:{backend};"
    return run_nginx(folder, f"location /slow {{ {proxy} }} location /upload {{ {proxy} }}")


def upgrade_nginx(running: Running, folder: Folder) -> bool:
    os.kill(running.master, signal.SIGUSR2)
    old = pathlib.Path(f"{folder.path}/nginx.pid.oldbin")
    new = folder.path / "nginx.pid"
    if not wait_until(lambda: old.exists() and new.exists() and children(int(new.read_text() or 0))):
        return False
    os.kill(running.master, signal.SIGQUIT)
    return True


def start_apache(folder: Folder, backend: int, recycle: bool) -> Running:
    port = free_port()
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                        for name in ("mpm_prefork", "authz_core", "proxy", "proxy_http"))
    config = folder.write("apache.conf", f"""
{modules}
ServerRoot {folder.path}
ServerName localhost
PidFile {folder.path}/apache.pid
DefaultRuntimeDir {folder.path}
ErrorLog {folder.path}/log
Listen 127.0.0.1:{port}
{"User www-data" if ROOT else ""}
{"Group www-data" if ROOT else ""}
Mutex file:{folder.path} default
StartServers 12
MinSpareServers 4
MaxSpareServers 12
MaxRequestWorkers 40
MaxConnectionsPerChild {5 if recycle else 0}
KeepAliveTimeout 60
MaxKeepAliveRequests 0
DocumentRoot {folder.path}/files
<Directory />
  Require all granted
</Directory>
ProxyPass /slow http://127.0.0.1:{backend}/slow
ProxyPass /upload http://127.0.0.1:{backend}/upload
""")
    return Running(port, run(folder, program("apache2"), "-f", config, "-D", "FOREGROUND"))


def start_haproxy(*settings: str):
    def start(folder: Folder, backend: int, _: bool) -> Running:
        port = free_port()
        config = folder.write("haproxy.cfg", "global\n  nbthread 2\n" + "".join(f"  {line}\n" for line in settings) + f"""
defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:{port}
  default_backend application
backend application
  server one 127.0.0.1:{backend}
""")
        return Running(port, run(folder, program("haproxy"), "-W", "-f", config))

    return start


def start_gunicorn(folder: Folder, _: int, recycle: bool) -> Running:
    port = free_port()
    folder.write("app.py", WSGI.format(here=str(pathlib.Path(__file__).parent), folder=str(folder.path)))
    return Running(port, run(folder, program("gunicorn"), "-b", f"127.0.0.1:{port}", "-w", "2", "-k", "gthread", "--threads", "16", "--keep-alive", "60",
                             "--max-requests", "100" if recycle else "0", "--pid", str(folder.path / "gunicorn.pid"), "app:application",
                             env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}))


def upgrade_gunicorn(running: Running, folder: Folder) -> bool:
    os.kill(running.master, signal.SIGUSR2)
    new = folder.path / "gunicorn.pid.2"
    if not wait_until(lambda: new.exists() and len(children(int(new.read_text() or 0))) >= 2):
        return False
    os.kill(running.master, signal.SIGTERM)
    return True


def start_php(*settings: str):
    def start(folder: Folder, _: int, recycle: bool) -> Running:
        script = folder.write("app.php", PHP % folder.path)
        sock = folder.path / "php.sock"
        config = folder.write("php.conf", "[global]\ndaemonize = no\n" + "".join(f"{line}\n" for line in settings) + f"""
error_log = {folder.path}/log
[www]
listen = {sock}
listen.mode = 0666
{"user = www-data" if ROOT else ""}
pm = static
pm.max_children = 8
pm.max_requests = {5 if recycle else 0}
""")
        master = run(folder, program("php-fpm8.2", "php-fpm"), "-y", config)
        if not wait_until(sock.exists):
            raise SystemExit("php-fpm did not start:\n" + (folder.path / "log").read_text())
        # Without a temporary file nginx holds back a script whose client is slow, instead of taking its whole output.
        nginx = run_nginx(folder, f"""location / {{ fastcgi_pass unix:{sock}; fastcgi_max_temp_file_size 0;
      fastcgi_param SCRIPT_FILENAME {script}; fastcgi_param REQUEST_URI $request_uri; fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE application/octet-stream; fastcgi_param CONTENT_LENGTH $content_length; }}""")
        return Running(nginx.port, master)

    return start


def servers(build: str) -> list[Server]:
    first = lambda *command: (lambda: output(*command).splitlines()[0])
    nginx_version = lambda: output(program("nginx"), "-v").split("/")[1].split()[0]
    haproxy_version = lambda: output(program("haproxy"), "-v").split()[2]
    php_version = lambda: output(program("php-fpm8.2", "php-fpm"), "-v").split()[1]
    return [
        Server("baton", lambda: "this tree", start_baton(build), signal.SIGHUP, True, upgrade_baton(build), leaves_segment=True),
        Server("nginx", nginx_version, start_nginx, signal.SIGHUP, upgrade=upgrade_nginx),
        Server("Apache prefork", lambda: output(program("apache2"), "-v").split("/")[1].split()[0], start_apache, signal.SIGUSR1, True),
        Server("HAProxy -W", haproxy_version, start_haproxy(), signal.SIGUSR2),
        Server("HAProxy -W, no-exit-on-failure", haproxy_version, start_haproxy("master-worker no-exit-on-failure"), signal.SIGUSR2),
        Server("gunicorn gthread", lambda: first(program("gunicorn"), "--version")().split()[-1].rstrip(")"), start_gunicorn, signal.SIGHUP,
               True, upgrade_gunicorn),
        Server("php-fpm", php_version, start_php(), signal.SIGUSR2, True, behind=True),
        Server("php-fpm, process_control_timeout", php_version, start_php("process_control_timeout = 20s"), signal.SIGUSR2, True, behind=True),
    ]


# -- the clients ----------------------------------------------------------------------------------------------------------


class Ended(Exception):
    """What the client saw instead of an answer."""


class Client:
    def __init__(self, port: int, small_window: bool = False):
        self.socket = socket.socket()
        if small_window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = bytearray()

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise Ended("hung") from None
        except OSError:
            pass  # an answer may have come before the end all the same: reading tells

    def more(self) -> None:
        try:
            piece = self.socket.recv(65536)
        except TimeoutError:
            raise Ended("hung") from None
        except OSError:
            raise Ended("reset") from None
        if not piece:
            raise Ended("closed")
        self.buffer += piece

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.more()
        taken = bytes(memoryview(self.buffer)[:size])
        del self.buffer[:size]
        return taken

    def head(self) -> tuple[int, int]:
        """The status and the length of the body of the next response."""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        lines = self.take(self.buffer.index(b"\r\n\r\n") + 4).decode("latin-1").split("\r\n")[:-2]
        fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        return int(lines[0].split()[1]), int(fields.get("content-length", 0))

    def answer(self, expected: bytes) -> str:
        status, length = self.head()
        body = self.take(length)
        if status != 200:
            return f"status {status}"
        return "answered" if body == expected else "**wrong bytes**"

    def gone(self) -> str | None:
        """Whether the connection has ended while the client was silent: that it can see before it sends."""
        self.socket.setblocking(False)
        try:
            return None if self.socket.recv(1, socket.MSG_PEEK) else "closed"
        except BlockingIOError:
            return None
        except OSError:
            return "reset"
        finally:
            self.socket.settimeout(PATIENCE)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, size: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()


# Each state is a generator: up to its yield it brings its client there and yields it; after that it goes on and returns what it saw.


def idle(port: int, _: Folder, __: bytes):
    client = Client(port)
    client.send(get("/small"))
    client.answer(b"small\n")
    yield client
    if end := client.gone():
        return end + " while idle"
    client.send(get("/small"))
    return client.answer(b"small\n")


def half_head(port: int, _: Folder, __: bytes):
    client = Client(port)
    request = get("/small")
    client.send(request[:20])
    yield client
    client.send(request[20:])
    return client.answer(b"small\n")


def uploading(port: int, _: Folder, __: bytes):
    client = Client(port)
    client.send(post("/upload", UPLOAD) + b"u" * (UPLOAD // 4))
    yield client
    client.send(b"u" * (UPLOAD - UPLOAD // 4))
    return client.answer(b"%d\n" % UPLOAD)


def handler(method: str):
    def state(port: int, folder: Folder, _: bytes):
        client = Client(port)
        client.send(get("/slow") if method == "get" else post("/slow", 1) + b"x")
        if not wait_until(lambda: folder.entered(method)):
            raise SystemExit("no handler was entered:\n" + (folder.path / "log").read_text())
        yield client
        saw = client.answer(b"slow\n")
        times = folder.entered(method)
        return saw if times == 1 else f"{saw}, run {times} times"

    return state


def downloading(port: int, _: Folder, big: bytes):
    client = Client(port, small_window=True)
    client.send(get("/big"))
    status, length = client.head()
    assert status == 200 and length == BIG, (status, length)
    got = client.take(200_000)
    yield client
    try:
        rest = client.take(length - len(got))
    except Ended as end:
        exact = big.startswith(got + bytes(client.buffer))
        return ("truncated, " if exact else "**wrong bytes**, ") + str(end)
    return "answered" if got + rest == big else "**wrong bytes**"


def pipelining(port: int, _: Folder, __: bytes):
    client = Client(port, small_window=True)
    client.send(get("/page") * PIPELINED)
    page = b"p" * PAGE
    answered = 1
    client.answer(page)
    yield client
    try:
        while answered < PIPELINED:
            saw = client.answer(page)
            if saw != "answered":
                return f"some answered, then {saw}"
            answered += 1
    except Ended as end:
        return f"some answered, then {end}"
    return "answered"


STATES = {
    "idle on keep-alive": idle,
    "half a head": half_head,
    "uploading": uploading,
    "GET in a handler": handler("get"),
    "POST in a handler": handler("post"),
    "downloading": downloading,
    "pipelining": pipelining,
}


class Newcomers:
    """A new connection with one request, again and again, from before the event until after it."""

    def __init__(self, port: int):
        self.port = port
        self.saw: set[str] = set()
        self.last = "answered"
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        while not self.stop.is_set():
            self.last = self.one()
            self.saw.add(self.last)
            time.sleep(0.005)

    def one(self) -> str:
        client = None
        try:
            client = Client(self.port)
            client.send(get("/small").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            return client.answer(b"small\n")
        except Ended as end:
            return str(end)
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "reset"
        finally:
            if client:
                client.socket.close()

    def result(self) -> str:
        self.stop.set()
        self.thread.join()
        if self.last != "answered":
            return f"{self.last} from then on"
        others = sorted(self.saw - {"answered"})
        return "some " + " or ".join(others) if others else "answered"


# -- the events -----------------------------------------------------------------------------------------------------------


def workers(running: Running) -> set[int]:
    return {pid for pid in children(running.master) if alive(pid)}


def nothing(*_: object) -> bool:
    return True


def kill_workers(server: Server, running: Running, clients: list[Client], _: Folder) -> bool:
    victims = workers(running) if server.behind else set().union(
        *(holders(running.port, client.socket.getsockname()[1]) for client in clients)) - {running.master}
    assert victims, "nobody holds the connections"
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    return wait_until(lambda: not any(map(alive, victims)))


def reload(server: Server, running: Running, _: list[Client], __: Folder) -> bool:
    before = set(descendants(running.master))
    os.kill(running.master, server.reload)
    wait_until(lambda: workers(running) - before, 3)  # php-fpm may wait for handlers first
    return True


def recycle(_: Server, running: Running, __: list[Client], ___: Folder) -> bool:
    """The newcomers' requests do it. A worker of Apache that holds a client stays, so the first ones need not all go."""
    before = workers(running)
    if not wait_until(lambda: workers(running) - before, 10):
        return False
    wait_until(lambda: not workers(running) & before, 3)
    return True


def upgrade(server: Server, running: Running, _: list[Client], folder: Folder) -> bool:
    assert server.upgrade
    return server.upgrade(running, folder)  # not done: no row, rather than one in which nothing happened


def kill_master(_: Server, running: Running, __: list[Client], ___: Folder) -> bool:
    os.kill(running.master, signal.SIGKILL)
    return wait_until(lambda: not alive(running.master))


EVENTS = {
    "nothing (control)": nothing,
    "workers killed": kill_workers,
    "reload": reload,
    "workers recycled": recycle,
    "binary upgrade": upgrade,
    "master killed": kill_master,
}
SETTLE = 2.0  # seconds for what an event sets off: gunicorn's workers look for their master once a second


def wait_for(server: Server, running: Running, folder: Folder) -> None:
    def serves() -> bool:
        try:
            client = Client(running.port)
            client.send(get("/small"))
            return client.answer(b"small\n") == "answered"
        except (OSError, Ended):
            return False

    if not wait_until(serves):
        raise SystemExit(f"{server.name} did not start:\n" + (folder.path / "log").read_text())


def remove_segment(server: Server, folder: Folder) -> None:
    pid = run(folder, os.path.abspath(sys.argv[1]) + "/baton", "-c", str(folder.path / "baton.toml"))
    config = (folder.path / "baton.toml").read_text()
    port = int(config.split("127.0.0.1:")[1].split('"')[0])
    wait_for(server, Running(port, pid), folder)
    os.kill(pid, signal.SIGINT)
    wait_until(lambda: not alive(pid))


def observe(server: Server, event: str, big_file: pathlib.Path, big: bytes) -> dict[str, str] | None:
    """What each client saw, by state; None where the server has no such event."""
    if (event == "workers recycled" and not server.recycles) or (event == "binary upgrade" and not server.upgrade):
        return None  # it has none
    folder = Folder(big_file)
    backend = Backends(("127.0.0.1", 0), type("Here", (Backend,), {"folder": str(folder.path)}))
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    try:
        running = server.start(folder, backend.server_port, event == "workers recycled")

        wait_for(server, running, folder)
        states = {name: state(running.port, folder, big) for name, state in STATES.items()}
        clients = [next(state) for state in states.values()]
        newcomers = Newcomers(running.port)
        time.sleep(0.3)  # until the servers have read what was sent
        if not EVENTS[event](server, running, clients, folder):
            newcomers.result()
            return None
        time.sleep(SETTLE)
        folder.release()
        saw = {}

        def go_on(name: str, state) -> None:
            try:
                next(state)
            except StopIteration as stop:
                saw[name] = stop.value
            except Ended as end:
                saw[name] = str(end)

        threads = [threading.Thread(target=go_on, args=item) for item in states.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        saw["new connections"] = newcomers.result()
        return saw
    finally:
        end_everything()
        if server.leaves_segment:
            remove_segment(server, folder)
        backend.shutdown()
        backend.server_close()
        shutil.rmtree(folder.path, ignore_errors=True)


def cell(seen: collections.Counter[str]) -> str:
    if not seen:
        return "-"
    return next(iter(seen)) if len(seen) == 1 else "; ".join(f"{what} ({times})" for what, times in seen.most_common())


def main() -> None:
    build = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    chosen = [s for s in servers(build) if len(sys.argv) < 4 or any(s.name.startswith(name) for name in sys.argv[3:])]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.umask(0o022)
    if os.geteuid() == 0:
        os.environ["BATON_USER"] = "root"  # which has to name somebody
    columns = [*STATES, "new connections"]
    versions = ", ".join(dict.fromkeys(f"{s.name.split(',')[0].split()[0]} {s.version()}" for s in chosen))
    print(f"{time.strftime('%F', time.gmtime())}, Linux {platform.release()}; {versions}; {rounds} rounds, numbers in brackets where they differ\n")
    print("| event | server | " + " | ".join(columns) + " |")
    print("| --- | --- |" + " --- |" * len(columns), flush=True)
    with tempfile.TemporaryDirectory(prefix="peers.") as shared:
        big_file = pathlib.Path(shared, "big")
        big = os.urandom(BIG)
        big_file.write_bytes(big)
        for event in EVENTS:
            for server in chosen:
                seen: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
                for _ in range(rounds):
                    saw = observe(server, event, big_file, big)
                    for name, what in (saw or {}).items():
                        seen[name][what] += 1
                if seen:
                    print(f"| {event} | {server.name} | " + " | ".join(cell(seen[name]) for name in columns) + " |", flush=True)


if __name__ == "__main__":
    main()
