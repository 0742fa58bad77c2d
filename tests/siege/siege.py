#!/usr/bin/env python3
"""What hostile clients with ordinary means cost the others: baton and nginx, side by side.

    tests/siege/siege.py BUILD [--seconds N] [CASE ...]

For each case and server: starts the server on a loopback port with a temporary configuration, measures a good client alone, then the
same client under the attack, and what the server holds meanwhile. The good client makes one request after another, each on a new
connection, so that being accepted is part of it; one that is not answered within PATIENCE counts as that long. Prints one Markdown table.

Attackers and the good client are processes of their own on the same machine: their CPU is not the server's, so compare rows and servers,
not absolute numbers. All of it is ended by pid, and bounded: SECONDS of attack, PATIENCE for each request. A new case is one function
with @case and one row of routes.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import platform
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable

PATIENCE = 10.0
MAX_CONNECTIONS = 2000
LISTED = 9000  # files of a folder
ALONE, ATTACKED = 2.0, 6.0

# -- servers --------------------------------------------------------------------------------------------------------------

BATON = """
[server]
workers = 2
max_connections = {most}
spool_dir = "spool"
[limits]
body_bytes = "64M"
[log]
error = "error.log"
[[listen]]
address = "127.0.0.1:{port}"
[[site]]
[[site.route]]
path = "/"
static = {{ root = "files", listing = true }}
[[site.route]]
path = "/upload/"
module = {{ file = "{build}/tests/modules/good.so", config = {{ folder = "." }} }}
[[site.route]]
path = "/chaos/"
module = {{ file = "{build}/examples/chaos.so" }}
"""

# Two workers with half of the connections each. Its uploads are PUT into a folder: it has no handlers of its own.
NGINX = """
worker_processes 2;
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 8000;
events {{ worker_connections {half}; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_temp_path {folder}/spool;
  sendfile on;
  tcp_nopush on;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {folder}/files; autoindex on; }}
    location /upload/ {{ root {folder}/files; dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid: int) -> list[int]:
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


class Server:
    def __init__(self, kind: str, build: pathlib.Path):
        self.kind, self.port = kind, free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="siege."))
        self.folder.chmod(0o755)
        for name in ("files/listed", "spool"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name).chmod(0o777)
        (self.folder / "files").chmod(0o777)
        (self.folder / "files/small").write_bytes(b"s" * 1024)
        with open(self.folder / "files/large", "wb") as large:
            large.truncate(16 << 20)
        for i in range(LISTED):
            (self.folder / f"files/listed/a file with a name of its own {i}").touch()
        values = dict(port=self.port, folder=self.folder, build=build, most=MAX_CONNECTIONS, half=MAX_CONNECTIONS // 2,
                      user="user root;" if os.geteuid() == 0 else "")
        file = self.folder / "server.conf"
        file.write_text((BATON if kind == "baton" else NGINX).format(**values))
        command = [build / "baton", "-c", file] if kind == "baton" else ["nginx", "-e", self.folder / "error.log", "-c", file]
        environment = dict(os.environ)
        if os.geteuid() == 0:
            environment.setdefault("BATON_USER", "root")  # which has to be said; nginx's above is the same
        with open(self.folder / "error.log", "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment)
        end = time.monotonic() + PATIENCE
        while one_request(self.port)[0] is None:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{kind} does not start: {(self.folder / 'error.log').read_text()}")
            time.sleep(0.05)
        self.disk_before = self.disk()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def open_files(self) -> dict[int, tuple[str, int]]:
        """inode -> name and bytes taken of every file without a name that the server has open."""
        found = {}
        for pid in family(self.process.pid):
            with contextlib.suppress(OSError):
                for fd in os.scandir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        name = os.readlink(fd.path)
                        if name.endswith(" (deleted)"):
                            status = os.stat(fd.path)
                            found[status.st_ino] = (name, status.st_blocks * 512)
        return found

    def memory(self) -> int:
        """Bytes: what the processes have to themselves or share, and files in memory."""
        total = 0
        for pid in family(self.process.pid):
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total + sum(size for name, size in self.open_files().values() if name.startswith("/memfd:"))

    def disk(self) -> int:
        named = sum(path.stat().st_blocks * 512 for path in self.folder.rglob("*") if path.is_file())
        return named + sum(size for name, size in self.open_files().values() if not name.startswith("/memfd:"))


# -- the good client ------------------------------------------------------------------------------------------------------


def one_request(port: int) -> tuple[float | None, bytes]:
    """Seconds to the whole answer, or None and what went wrong."""
    begun = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"GET /small HTTP/1.1\r\nHost: siege\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        if answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"s" * 1024):
            return time.monotonic() - begun, b""
        return None, answer[:40]
    except OSError as error:
        return None, str(error).encode()


def good_client(port: int, seconds: float, out) -> None:
    times, failed = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        took, _ = one_request(port)
        failed += took is None
        times.append(took if took is not None else max(PATIENCE, time.monotonic() - begun))
        time.sleep(0.005)
    out.send((times, failed))


# -- the attacks ----------------------------------------------------------------------------------------------------------

Attack = Callable[[int, int], None]  # port, number of the attacker; runs until it is killed


@dataclasses.dataclass
class Case:
    name: str
    text: str
    attack: Attack
    attackers: int
    nginx: bool


CASES: list[Case] = []


def case(text: str, attackers: int = 1, nginx: bool = True):
    def add(attack: Attack) -> Attack:
        CASES.append(Case(attack.__name__, text, attack, attackers, nginx))
        return attack

    return add


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def hold(port: int, many: int, first_words: bytes) -> None:
    """Keeps so many connections open, each having said `first_words`; one that the server closes is made again at once."""
    poll, clients = select.epoll(), {}

    def add() -> None:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        clients[client.fileno()] = client
        poll.register(client, select.EPOLLOUT | select.EPOLLIN | select.EPOLLRDHUP)

    while True:
        for _ in range(min(50, many - len(clients))):
            add()
        for fd, events in poll.poll(0.01):
            client = clients[fd]
            try:
                if events & select.EPOLLIN and not client.recv(65536):
                    raise ConnectionError
                if events & (select.EPOLLERR | select.EPOLLHUP):
                    raise ConnectionError
                if events & select.EPOLLOUT:
                    client.send(first_words)
                    poll.modify(client, select.EPOLLIN | select.EPOLLRDHUP)
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(client)
                del clients[fd]
                client.close()


@case(f"2,600 silent connections, of {MAX_CONNECTIONS:,}")
def silent(port: int, _: int) -> None:
    hold(port, 2600, b"")


@case(f"{MAX_CONNECTIONS:,} idle connections, of {MAX_CONNECTIONS:,}")
def idle(port: int, _: int) -> None:
    hold(port, MAX_CONNECTIONS, b"GET /small HTTP/1.1\r\nHost: siege\r\n\r\n")


@case(f"2,600 heads that do not end, of {MAX_CONNECTIONS:,}")
def partial(port: int, _: int) -> None:
    hold(port, 2600, b"GET /small HTTP/1.1\r\nHost: ")


def flood(port: int, request: bytes, piece: bytes) -> None:
    """One request after the other whose body does not end."""
    while True:
        with contextlib.suppress(OSError), connect(port) as client:
            client.sendall(request)
            while not select.select([client], [], [], 0)[0]:
                client.sendall(piece)


def upload(number: int) -> bytes:
    return f"PUT /upload/echo?{number} HTTP/1.1\r\nHost: siege\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


@case("chunks of one byte, 4 connections", attackers=4)
def one_byte_chunks(port: int, number: int) -> None:
    flood(port, upload(number), b"1\r\nx\r\n" * 10_000)


@case("chunks of two bytes, 4 connections", attackers=4)
def two_byte_chunks(port: int, number: int) -> None:
    flood(port, upload(number), b"2\r\nxx\r\n" * 10_000)


def stalled(port: int, many: int, words: bytes) -> None:
    """So many connections that say all of `words`, then nothing, and read nothing."""
    clients = []
    for _ in range(many):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        clients.append(client)
        with contextlib.suppress(OSError):
            client.connect(("127.0.0.1", port))
            client.sendall(words)
    while True:
        signal.pause()


@case("250 uploads of 1 MB, all but their last bytes")
def uploads(port: int, _: int) -> None:
    stalled(port, 250, b"PUT /upload/echo HTTP/1.1\r\nHost: siege\r\nContent-Length: 1000000\r\n\r\n" + b"u" * 999_000)


@case("10 responses of 100 MB that nobody reads, made by a handler", nginx=False)
def unread(port: int, _: int) -> None:
    stalled(port, 10, b"GET /upload/write/100000000/100000 HTTP/1.1\r\nHost: siege\r\n\r\n")


@case("600 answers of 16 ranges that nobody reads")
def unread_ranges(port: int, _: int) -> None:
    every = b",".join(b"%d-%d" % (i << 20, (i << 20) + 900_000) for i in range(16))
    stalled(port, 600, b"GET /large HTTP/1.1\r\nHost: siege\r\nRange: bytes=" + every + b"\r\n\r\n")


@case("requests of 16 KB byte by byte, 4 connections", attackers=4)
def trickled_heads(port: int, _: int) -> None:
    head = b"GET /small HTTP/1.1\r\nHost: siege\r\nX: " + b"x" * 16_000
    while True:
        with contextlib.suppress(OSError), connect(port) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(head)):
                client.send(head[i : i + 1])


def endless(port: int, request: bytes) -> None:
    """Sends the request again and again, and reads what comes."""
    many = request * (60_000 // len(request) + 1)
    while True:
        with contextlib.suppress(OSError), connect(port) as client:
            client.setblocking(False)
            left = many
            while True:
                readable, writable, _ = select.select([client], [client], [], PATIENCE)
                if readable and not client.recv(1 << 20):
                    break
                if writable:
                    left = left[client.send(left) :] or many


@case("small requests pipelined without end, 4 connections", attackers=4)
def pipelined(port: int, _: int) -> None:
    endless(port, b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")


@case("16 ranges of one byte, pipelined, 4 connections", attackers=4)
def ranges(port: int, _: int) -> None:
    every = b",".join(b"%d-%d" % (i, i) for i in range(0, 64, 4))
    endless(port, b"GET /small HTTP/1.1\r\nHost: a\r\nRange: bytes=" + every + b"\r\n\r\n")


@case("heads full of lists and fields, 4 connections", attackers=4)
def lists(port: int, _: int) -> None:
    fields = b"Accept: " + b"a/b;q=0.1," * 700 + b"\r\nIf-None-Match: " + b'"x",' * 1500 + b"\r\n" + b"a:\r\n" * 80
    endless(port, b"GET /none HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")


@case("two calls of a handler that sleeps", attackers=2, nginx=False)
def slow_handlers(port: int, _: int) -> None:
    while True:
        with contextlib.suppress(OSError), connect(port) as client:
            client.sendall(b"GET /chaos/slow?ms=3000 HTTP/1.1\r\nHost: siege\r\nConnection: close\r\n\r\n")
            client.recv(4096)


@case(f"listings of {LISTED:,} files, 4 connections", attackers=4)
def listings(port: int, _: int) -> None:
    while True:
        with contextlib.suppress(OSError), connect(port) as client:
            client.sendall(b"GET /listed/ HTTP/1.1\r\nHost: siege\r\nConnection: close\r\n\r\n")
            while client.recv(1 << 20):
                pass


@case("a handler that crashes, called without end", nginx=False)
def crashes(port: int, _: int) -> None:
    while True:
        with contextlib.suppress(OSError), connect(port) as client:
            client.sendall(b"GET /chaos/segfault HTTP/1.1\r\nHost: siege\r\nConnection: close\r\n\r\n")
            client.recv(4096)


# -- measuring ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Seen:
    times: list[float]
    failed: int
    memory: int = 0  # the most, bytes
    disk: int = 0

    def row(self) -> str:
        ordered = sorted(self.times)
        p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        return f"{statistics.median(ordered) * 1e3:.1f} | {p99 * 1e3:.1f}"


def watch(server: Server, seconds: float) -> Seen:
    """The good client, in a process of its own, and meanwhile what the server holds."""
    here, there = multiprocessing.Pipe()
    client = multiprocessing.Process(target=good_client, args=(server.port, seconds, there), daemon=True)
    client.start()
    memory = disk = 0
    while not here.poll(0.25):
        memory = max(memory, server.memory())
        disk = max(disk, server.disk() - server.disk_before)
    seen = Seen(*here.recv(), memory, disk)
    client.join()
    return seen


def besiege(server: Server, attacked: Case, seconds: float) -> tuple[Seen, Seen]:
    alone = watch(server, ALONE)
    attackers = [multiprocessing.Process(target=attacked.attack, args=(server.port, i), daemon=True)
                 for i in range(attacked.attackers)]
    for attacker in attackers:
        attacker.start()
    time.sleep(0.5)  # until they are at it; what is measured goes on for long after
    try:
        return alone, watch(server, seconds)
    finally:
        for attacker in attackers:
            attacker.kill()
            attacker.join()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--seconds", type=float, default=ATTACKED)
    options.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(c.name for c in CASES))
    chosen = options.parse_intermixed_args()
    if unknown := set(chosen.cases) - {c.name for c in CASES}:
        sys.exit(f"no such case: {', '.join(unknown)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]
    print(f"{time.strftime('%F')}, {os.cpu_count()} cores, Linux {platform.release()}, nginx {version}, {chosen.seconds:g} s each\n")
    print("| attack | server | alone: median, ms | p99 | attacked: median, ms | p99 | not served | memory, MB | disk, MB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for attacked in CASES:
        if chosen.cases and attacked.name not in chosen.cases:
            continue
        for kind in ("baton", "nginx") if attacked.nginx else ("baton",):
            server = Server(kind, chosen.build.resolve())
            try:
                alone, under = besiege(server, attacked, chosen.seconds)
            finally:
                server.stop()
            print(f"| {attacked.text} | {kind} | {alone.row()} | {under.row()} | {under.failed} of {len(under.times)} | "
                  f"{under.memory / 1e6:.0f} | {under.disk / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
