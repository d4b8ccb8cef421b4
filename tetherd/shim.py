"""Holds one agent: its pipes, its journal, its end.

    python -I -S shim.py RUN_DIR SOCKET LOCK_FD     paths absolute; LOCK_FD "-": nobody locked for us, we lock

A service manager that set NOTIFY_SOCKET hears when the agent runs, or cannot.

Standard library only, and everything is imported at the start: an upgrade may replace the files below a running shim.
It outlives the daemon; what it keeps in RUN_DIR and says on SOCKET is ABI 1. A frame is HEADER (size of the payload,
kind) and its payload; the state that a slow daemon has not read is kept once, not queued. The exit status of the
agent comes last: status.json is there when the journal is whole and nothing of the agent is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

ABI = 1
HEADER = struct.Struct("!IB")
HELLO, STDIN, CLOSE, STOP, ACK, SIZE, STATUS, PAUSED, STOPPING = range(1, 10)
GREETING = struct.Struct("!HQ")
"""HELLO to the shim: abi, daemon epoch."""
WELCOME = struct.Struct("!HQQ")
"""HELLO from the shim: abi, last seq, size of the journal."""
NUMBER = struct.Struct("!Q")
"""ACK: this seq and all before it. SIZE: the journal's. STDIN: the seq, then the bytes."""
SECONDS = struct.Struct("!d")
"""STOP: how long the agent may take. STOPPING, PAUSED (text, empty: no more) and STATUS (JSON) need none."""

INPUT_LIMIT = 32 * 1024 * 1024
FRAME_LIMIT = 256 * 1024 * 1024
ERR_LIMIT, ERR_KEPT = 1024 * 1024, 512 * 1024
PIECE = 256 * 1024
PUMP_BYTES = 4 * 1024 * 1024
"""Other sources get their turn after so much."""
RETRY_SECONDS = 1.0
LEFTOVER_GRACE_SECONDS = 2.0
HOLDER_SECONDS = 2.0
"""Somebody outside the tree may hold the agent's pipes open; so long we wait for their end."""
SIGTERM_GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.05

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
AGENT_GROUP = "agent"
"""In a unit of our own: the control group of the agent and all that it starts, below ours."""


def encode(kind: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload), kind) + payload


def take(buffer: bytearray) -> tuple[int, bytes] | None:
    """The first frame of `buffer`, taken out of it; None while it is not whole."""
    if len(buffer) < HEADER.size:
        return None
    size, kind = HEADER.unpack_from(buffer)
    if len(buffer) < HEADER.size + size:
        return None
    payload = bytes(memoryview(buffer)[HEADER.size : HEADER.size + size])
    del buffer[: HEADER.size + size]
    return kind, payload


def write_json(path: str, value: dict[str, Any], sync: bool = False) -> None:
    """Whole or not at all."""
    with open(path + ".new", "w") as file:
        json.dump(value, file)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.replace(path + ".new", path)
    if sync:
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def stat_of(pid: int) -> tuple[int, str, int] | None:
    """Parent, state and start time (clock ticks since boot); None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    return int(fields[1]), fields[0].decode(), int(fields[19])


def descendants(root: int) -> list[tuple[int, int]]:
    """Pid and start time of every living process below `root`."""
    children: dict[int, list[int]] = {}
    found = {}
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        stat = stat_of(pid)
        if stat:
            found[pid] = stat
            children.setdefault(stat[0], []).append(pid)
    below, todo = [], children.get(root, [])
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        if found[pid][1] not in "ZX" or has_threads(pid):
            below.append((pid, found[pid][2]))
    return below


def has_threads(pid: int) -> bool:
    """A process whose first thread has ended looks like a zombie while its others run."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def send_signal(pid: int, start: int, number: int) -> bool:
    """Signal the process that we saw and none that got its pid since. False when we may not."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        stat = stat_of(pid)
        if stat and stat[2] == start:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    finally:
        os.close(handle)
    return True


class Journal:
    """The agent's stdout, byte by byte, in a file. The kernel moves the bytes where it can."""

    def __init__(self, path: str, source: int) -> None:
        self.source = source
        self.size = 0
        self.is_over = False
        self.paused: str | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._unwritten = b""
        self._splice = hasattr(os, "splice")

    def pump(self) -> None:
        """Move what is there. What cannot be written stays in the pipe, or here, until it can."""
        budget = PUMP_BYTES
        while budget > 0 and not self.is_over:
            try:
                moved = self._move()
            except BlockingIOError:
                break
            except OSError as error:
                if self._splice and error.errno == errno.EINVAL:
                    self._splice = False
                    continue
                self.paused = f"cannot write the journal: {error.strerror}"
                return
            self.size += moved
            budget -= moved
        self.paused = None

    def _move(self) -> int:
        if self._splice:
            moved = os.splice(self.source, self._file, 1024 * 1024, offset_dst=self.size)
            self.is_over = moved == 0
            return moved
        if not self._unwritten:
            self._unwritten = os.read(self.source, PIECE)
            self.is_over = not self._unwritten
        moved = os.pwrite(self._file, self._unwritten, self.size)
        self._unwritten = self._unwritten[moved:]
        return moved


class ErrorLog:
    """The newest of the agent's stderr. A full disk loses some of it; the agent never waits for it."""

    def __init__(self, path: str, source: int) -> None:
        self.source = source
        self.is_over = False
        self._path = path
        self._size = 0
        self._file = self._open(path)

    def pump(self) -> None:
        try:
            data = os.read(self.source, PIECE)
        except BlockingIOError:
            return
        self.is_over = not data
        try:
            self._size += os.write(self._file, data)
            if self._size > ERR_LIMIT:
                self._shorten()
        except OSError:
            pass

    def _shorten(self) -> None:
        kept = os.pread(self._file, ERR_KEPT, self._size - ERR_KEPT)
        fresh = self._open(self._path + ".new")
        try:
            os.write(fresh, kept)
            os.replace(self._path + ".new", self._path)
        except OSError:
            os.close(fresh)
            os.ftruncate(self._file, 0)
            self._size = 0
            return
        os.close(self._file)
        self._file, self._size = fresh, len(kept)

    @staticmethod
    def _open(path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)


class AgentInput:
    """What the agent has yet to read. Bounded: while it is full, no more is taken."""

    def __init__(self, pipe: int) -> None:
        self.pipe: int | None = pipe
        self.last_seq = 0
        self.is_closing = False
        self._bytes = bytearray()

    @property
    def is_full(self) -> bool:
        return len(self._bytes) >= INPUT_LIMIT

    @property
    def is_waiting(self) -> bool:
        return bool(self._bytes) and self.pipe is not None

    def add(self, seq: int, data: bytes) -> None:
        """Once for each seq; a repeated one is ignored."""
        if seq > self.last_seq:
            self.last_seq = seq
            if self.pipe is not None and not self.is_closing:
                self._bytes += data

    def pump(self) -> None:
        try:
            while self._bytes and self.pipe is not None:
                del self._bytes[: os.write(self.pipe, self._bytes[:65536])]
        except BlockingIOError:
            return
        except OSError:  # the agent reads no more
            self._bytes.clear()
            self.is_closing = True
        if self.is_closing and self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


class Client:
    """A connection; `news` are the kinds of frames that it has yet to be told."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_greeted = False
        self.is_blocked = False
        self.is_deaf = False
        self.received = bytearray()
        self.unsent = bytearray()
        self.news: set[int] = set()


class Shim:
    """One select loop over the agent's pipes, the daemon's connections and the signals."""

    def __init__(self, directory: str, spec: dict[str, Any], listener: socket.socket, umask: int) -> None:
        self.directory = directory
        self.spec = spec
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.clients: set[Client] = set()
        self.epoch = 0
        self.agent: int | None = None
        self.status: dict[str, Any] | None = None
        self.is_over = False
        self.paused: str | None = None
        self.failure: str | None = None
        self.kill_at: float | None = None
        self.look_at = self.retry_at = 0.0
        self.gone_at: float | None = None
        self.is_childless = False
        self.was_told_to_end = False
        self.beyond: set[tuple[int, int]] = set()  # below us, but not ours to signal (setuid)
        self.wakeup, wakeup_end = os.pipe()
        for end in (self.wakeup, wakeup_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        self._start(umask)

    # -- The agent -----------------------------------------------------------------------------------------------

    def _start(self, umask: int) -> None:
        stdin, input_end = os.pipe()
        output_end, stdout = os.pipe()
        error_end, stderr = os.pipe()
        for end in (input_end, output_end, error_end):
            os.set_blocking(end, False)
        with contextlib.suppress(OSError):  # over the user's share of pipe memory
            fcntl.fcntl(output_end, fcntl.F_SETPIPE_SZ, 1024 * 1024)
        self.input = AgentInput(input_end)
        self.journal = Journal(f"{self.directory}/out.journal", output_end)
        self.errors = ErrorLog(f"{self.directory}/err.log", error_end)
        argv = self.spec["argv"]
        group = make_group()

        def prepare() -> None:
            default_signals()
            if group is not None:
                os.write(group, b"0")  # whoever writes it enters

        try:
            process = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=self.spec["cwd"],
                env=self.spec["env"],
                umask=umask,
                start_new_session=True,
                preexec_fn=prepare,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.status = {"code": None, "signal": None, "error": f"cannot run {argv[0]}: {reason(error, argv[0])}"}
        else:
            self.agent = process.pid
            process.returncode = 0  # waited for by _reap
        for end in (stdin, stdout, stderr, *([] if group is None else [group])):
            os.close(end)

    def _reap(self) -> None:
        """Children, and orphans that have become ours. Nothing else in this process waits for any."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.is_childless = True
                return
            if pid == 0:
                return
            self.look_at = 0.0
            if pid == self.agent:
                code = os.waitstatus_to_exitcode(status)
                self.status = {
                    "code": code if code >= 0 else None,
                    "signal": -code if code < 0 else None,
                    "error": self.failure,
                }
                self.stop(LEFTOVER_GRACE_SECONDS)

    def stop(self, grace_seconds: float) -> None:
        """TERM to the whole tree now, KILL after the grace. A later stop can only shorten it."""
        deadline = time.monotonic() + max(0.0, grace_seconds)
        if self.kill_at is None:
            for pid, start in descendants(os.getpid()):
                send_signal(pid, start, signal.SIGTERM)
        self.kill_at = deadline if self.kill_at is None else min(deadline, self.kill_at)
        self.look_at = 0.0

    def give_up(self, why: str) -> None:
        """The agent must not run: it ends now, with an error."""
        self.failure = why
        self.stop(0)

    def _look(self, now: float) -> None:
        """Is the tree gone? Past the grace, kill what is left of it."""
        assert self.kill_at is not None
        left = [known for known in descendants(os.getpid()) if known not in self.beyond]
        if now >= self.kill_at:
            for known in left:
                if not send_signal(*known, signal.SIGKILL):
                    self.beyond.add(known)
        self.look_at = now + LOOK_SECONDS
        # The kernel's word counts: who forks while we look may be missed. Whom we may not signal we do not wait for.
        if self.status is not None and (self.is_childless or (self.beyond and not left)):
            self.gone_at = now

    def _end(self, *_: object) -> None:
        self.was_told_to_end = True

    # -- The loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        self._watch(self.wakeup, selectors.EVENT_READ, self._woken)
        self._watch(self.listener, selectors.EVENT_READ, self._accept)
        if self.status is not None:
            self.gone_at = time.monotonic()
        while not self.is_over:
            self._watch_pipes()
            for key, events in self.selector.select(self._patience()):
                key.data(events)
            if self.was_told_to_end:
                self.was_told_to_end = False
                self.stop(SIGTERM_GRACE_SECONDS)
                self._tell(STOPPING)
            self._reap()
            self._on_time(time.monotonic())
        for client in self.clients:
            client.sock.settimeout(RETRY_SECONDS)
            with contextlib.suppress(OSError):
                client.sock.sendall(client.unsent + self._words(client))

    def _watch_pipes(self) -> None:
        is_open = not self.journal.is_over and not self.paused
        self._watch(self.journal.source, selectors.EVENT_READ if is_open else 0, self._pump_journal)
        self._watch(self.errors.source, selectors.EVENT_READ if not self.errors.is_over else 0, self._pump_errors)
        if self.input.pipe is not None:
            self._watch(self.input.pipe, selectors.EVENT_WRITE if self.input.is_waiting else 0, self._pump_input)

    def _patience(self) -> float | None:
        moments = []
        if self.paused:
            moments.append(self.retry_at)
        if self.gone_at is not None:
            moments.append(max(self.retry_at, self.gone_at + HOLDER_SECONDS if not self._is_drained() else 0.0))
        elif self.kill_at is not None:
            moments.append(self.look_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _on_time(self, now: float) -> None:
        if self.journal.paused and now >= self.retry_at:
            self._pump_journal()
        if self.kill_at is not None and self.gone_at is None and now >= self.look_at:
            self._look(now)
        if self.gone_at is not None and now >= self.retry_at:
            if not self._is_drained() and now < self.gone_at + HOLDER_SECONDS:
                return
            if not self.journal.paused:
                self._finish()

    def _is_drained(self) -> bool:
        return self.status is not None and (self.agent is None or (self.journal.is_over and self.errors.is_over))

    def _finish(self) -> None:
        assert self.status is not None
        self.status |= {"size": self.journal.size, "last_seq": self.input.last_seq, "at": time.time()}
        self.status["oom_kills"] = oom_kills()
        try:
            write_json(f"{self.directory}/status.json", self.status, sync=True)
        except FileNotFoundError:
            pass  # the run has been forgotten
        except OSError as error:
            self._pause(f"cannot write the status: {error.strerror}")
            return
        self.is_over = True
        self._pause(None)
        self._tell(STATUS)

    def _pause(self, why: str | None) -> None:
        if why:
            self.retry_at = time.monotonic() + RETRY_SECONDS
        if why != self.paused:
            self.paused = why
            self._tell(PAUSED)

    def _pump_journal(self, _events: int = 0) -> None:
        before = self.journal.size
        self.journal.pump()
        if self.journal.size != before:
            self._tell(SIZE)
        self._pause(self.journal.paused)

    def _pump_errors(self, _events: int) -> None:
        self.errors.pump()

    def _pump_input(self, _events: int = 0) -> None:
        pipe = self.input.pipe
        self.input.pump()
        if pipe is not None and self.input.pipe is None:
            self._watch(pipe, 0, self._pump_input)
        if not self.input.is_full:
            for client in [client for client in self.clients if client.is_blocked]:
                client.is_blocked = False
                self._obey(client)

    def _woken(self, _events: int) -> None:
        os.read(self.wakeup, 4096)

    def _watch(self, source: Any, events: int, then: Callable[[int], None]) -> None:
        known = self.selector.get_map().get(source)
        if known is None and events:
            self.selector.register(source, events, then)
        elif known is not None and not events:
            self.selector.unregister(source)
        elif known is not None and known.events != events:
            self.selector.modify(source, events, then)

    # -- The daemon ----------------------------------------------------------------------------------------------

    def _accept(self, _events: int) -> None:
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        client = Client(sock)
        self.clients.add(client)
        self._watch_client(client)

    def _watch_client(self, client: Client) -> None:
        reading = 0 if client.is_blocked else selectors.EVENT_READ
        writing = selectors.EVENT_WRITE if client.unsent and not client.is_deaf else 0
        self._watch(client.sock, reading | writing, lambda events: self._serve(client, events))

    def _serve(self, client: Client, events: int) -> None:
        if client not in self.clients:
            return  # dropped since select() saw it
        if events & selectors.EVENT_WRITE:
            self._flush(client)
        if events & selectors.EVENT_READ:
            try:
                data = client.sock.recv(PIECE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._drop(client)
                return
            client.received += data
            self._obey(client)

    def _drop(self, client: Client) -> None:
        self._watch(client.sock, 0, self._accept)
        self.clients.discard(client)
        client.sock.close()

    def _obey(self, client: Client) -> None:
        """Every whole frame that we can take. Input waits in the socket while the agent's buffer is full."""
        while client in self.clients and len(client.received) >= HEADER.size:
            size, kind = HEADER.unpack_from(client.received)
            if size > FRAME_LIMIT or not (client.is_greeted or kind == HELLO):
                self._drop(client)
                return
            if kind == STDIN and self.input.is_full:
                client.is_blocked = True
                break
            frame = take(client.received)
            if frame is None:
                break
            try:
                self._handle(client, *frame)
            except struct.error:
                self._drop(client)
        if client in self.clients:
            self._watch_client(client)

    def _handle(self, client: Client, kind: int, payload: bytes) -> None:
        if kind == HELLO:
            _abi, epoch = GREETING.unpack(payload)
            self._greet(client, epoch)
        elif kind == STDIN:
            (seq,) = NUMBER.unpack_from(payload)
            self.input.add(seq, payload[NUMBER.size :])
            self._pump_input()
            self._tell(ACK)
        elif kind == CLOSE:
            self.input.is_closing = True
            self._pump_input()
        elif kind == STOP:
            (grace_seconds,) = SECONDS.unpack(payload)
            self.stop(grace_seconds)
            self._tell(STOPPING)

    def _greet(self, client: Client, epoch: int) -> None:
        """One daemon at a time: a newer one, or a newer connection of the same, evicts the older."""
        if epoch < self.epoch:
            self._drop(client)
            return
        self.epoch = epoch
        for other in [other for other in self.clients if other.is_greeted and other is not client]:
            self._drop(other)
        client.is_greeted = True
        client.unsent += encode(HELLO, WELCOME.pack(ABI, self.input.last_seq, self.journal.size))
        client.news |= {PAUSED} | ({STOPPING} if self.kill_at is not None else set())
        self._flush(client)

    def _tell(self, kind: int) -> None:
        for client in list(self.clients):
            if client.is_greeted:
                client.news.add(kind)
                self._flush(client)

    def _flush(self, client: Client) -> None:
        """Never blocks; on EPIPE the last frames of a dead daemon are still to be read, so the socket stays."""
        try:
            while not client.is_deaf and (client.unsent or client.news):
                if not client.unsent:
                    client.unsent += self._words(client)
                del client.unsent[: client.sock.send(client.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            client.is_deaf = True
        self._watch_client(client)

    def _words(self, client: Client) -> bytes:
        """The state of now, of the kinds that the client has not heard of."""
        words: dict[int, Callable[[], bytes]] = {
            ACK: lambda: NUMBER.pack(self.input.last_seq),
            STOPPING: lambda: b"",
            PAUSED: lambda: (self.paused or "").encode(),
            SIZE: lambda: NUMBER.pack(self.journal.size),
            STATUS: lambda: json.dumps(self.status).encode(),
        }
        news, client.news = client.news, set()
        return b"".join(encode(kind, word()) for kind, word in words.items() if kind in news)


def reason(error: Exception, program: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename not in (None, program) else ""
        return error.strerror + where
    return str(error)


def default_signals() -> None:
    """In the agent, before exec: an ignored signal would stay ignored."""
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def lock(directory: str, inherited: str) -> bool:
    """Held for as long as we live, and by us alone."""
    if inherited != "-":
        os.set_inheritable(int(inherited), False)
        return True
    file = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(40):  # somebody may just be looking whether it is free
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
    return False


def hold(directory: str, path: str, umask: int) -> None:
    """From the listening socket to status.json. run.json stands before the agent can: where there is none, none ran."""
    with open(f"{directory}/spec.json") as file:
        spec = json.load(file)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(8)
        listener.setblocking(False)
        run = {"abi": ABI, "socket": path, "shim": describe(os.getpid()), "agent": None}
        write_json(f"{directory}/run.json", run)
        shim = Shim(directory, spec, listener, umask)
        if shim.agent is not None:
            try:
                write_json(f"{directory}/run.json", run | {"agent": describe(shim.agent)})
            except OSError as error:
                shim.give_up(f"cannot write run.json: {error.strerror}")
            if os.path.exists(f"{directory}/revoked"):
                shim.give_up("launched too late")
        say_ready()
        shim.run()
        with contextlib.suppress(OSError):
            os.unlink(path)


def say_ready() -> None:
    """To the service manager, where one started us: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        if address:
            sending.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)


def own_group() -> str:
    """The directory of our control group. Raises OSError or ValueError where there is none."""
    with open("/proc/self/cgroup") as file:
        (group,) = [line.rstrip("\n")[3:] for line in file if line.startswith("0::")]
    with open("/proc/self/mountinfo") as file:
        (root, *_) = [line.split()[4] for line in file if " - cgroup2 " in line]
    return f"{root}{group}"


def make_group() -> int | None:
    """A group for the agent below ours, to be frozen without us: its `cgroup.procs`, open. None where the control
    group is not a unit of our own."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    try:
        group = f"{own_group()}/{AGENT_GROUP}"
        os.makedirs(group, exist_ok=True)
        return os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None


def oom_kills() -> int:
    """How often the kernel had to end a process of our control group for want of memory; 0 where it does not tell."""
    try:
        with open(f"{own_group()}/memory.events") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    except (OSError, ValueError):
        return 0


def describe(pid: int) -> dict[str, int | None]:
    stat = stat_of(pid)
    return {"pid": pid, "start_ticks": stat[2] if stat else None}


def main(directory: str, path: str, inherited: str) -> int:
    umask = os.umask(0o077)
    os.chdir("/")
    if not lock(directory, inherited):
        return 75
    if os.path.exists(f"{directory}/revoked"):
        return 0
    if inherited != "-" and os.fork():
        os._exit(0)  # whoever started us has nothing to wait for
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        hold(directory, path, umask)
    except Exception:  # noqa: BLE001 - nobody above us; the daemon reads the log
        with open(f"{directory}/err.log", "a") as file:
            file.write(f"tetherd shim:\n{traceback.format_exc()}")
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
