"""Starts `newsroom` commands as processes that needn't load Python's libraries anew: that took longer than their work.

Run as a script it has loaded all of it, waits for orders, and forks for each a process at the head of a group of its
own, which goes on where `python -m newsroom` would. It also takes in whom a killed process leaves behind.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from config import PROJECT

PR_SET_CHILD_SUBREAPER = 36
LOADED = ("newsroom.__main__", "newsroom.engine.worker", "newsroom.engine.cluster", "psycopg", "redis", "sqlite3")


class Running:
    """A process, asked and ended as subprocess.Popen's are."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        """Note how it ended."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forker:
    """The process that forks; it ends when its standard input does."""

    def __init__(self) -> None:
        answers, theirs = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.forking", str(theirs)],
            stdin=subprocess.PIPE,
            cwd=PROJECT,
            pass_fds=[theirs],
            text=True,
        )
        os.close(theirs)
        self._answers = os.fdopen(answers)
        self._running: dict[int, Running] = {}
        self._started: list[Running] = []
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, words: Sequence[str], *, environ: Mapping[str, str]) -> Running:
        """Start `newsroom` with these words in this environment."""
        assert self._process.stdin is not None
        with self._news:
            before = len(self._started)
            print(json.dumps([list(words), dict(environ), os.getpid()]), file=self._process.stdin, flush=True)
            assert self._news.wait_for(lambda: len(self._started) > before, timeout=60)
            return self._started[-1]

    def _listen(self) -> None:
        for line in self._answers:
            what, pid, code = json.loads(line)
            with self._news:
                if what == "started":
                    self._running[pid] = Running(pid)
                    self._started.append(self._running[pid])
                elif pid in self._running:
                    self._running.pop(pid).end(code)
                self._news.notify_all()


def serve(answers: int) -> None:
    """Fork for each order, and tell of each process that ended."""
    for name in LOADED:
        import_module(name)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    orders = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)

    def answer(*what: object) -> None:
        os.write(answers, json.dumps(what).encode() + b"\n")

    while True:
        ready, _, _ = select.select([orders.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            with contextlib.suppress(ChildProcessError):
                while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                    answer("ended", ended[0], os.waitstatus_to_exitcode(ended[1]))
        if orders.fileno() in ready:
            if not (line := orders.readline()):
                return
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (answers, woken, wakes, orders.fileno()):
                    os.close(one)
                run(*json.loads(line))
            answer("started", pid, None)


def run(words: list[str], environ: dict[str, str], asked_by: int) -> NoReturn:
    """Be that process, and end as it does. It writes to where who asked for it writes at this moment."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(f"/proc/{asked_by}/fd/{number}", os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["newsroom", *words]
    import_module("newsroom.__main__").main()
    sys.exit()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
