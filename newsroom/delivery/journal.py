"""What a worker did since it last settled: an append-only file of its own, so that its death costs no knowledge.

The ledger is written in groups, because a commit per letter would be the slowest step of all. In between, a line says
which letter is about to leave, and another what was answered. When a worker dies, whoever takes its file's lock knows
that it is dead, and settles what the file says; a letter that left without an answer is uncertain, and no other is.
"""

import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from newsroom.delivery.answers import Outcome, Result

SUFFIX = ".journal"
ROOM = 64 * 1024  # Octets. A group of letters with ordinary answers takes a fifth; where it is too little, it grows.
LINE_END = ord("\n")


@dataclass
class Entries:
    """What a journal holds: outcomes by delivery id, and the deliveries that left without an answer."""

    worker: str
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    in_doubt: set[int] = field(default_factory=set)


class Journal:
    """One worker's file, locked for as long as the worker lives. Not shared between threads.

    It is written through shared memory: what is in there outlives the process, and no letter waits for a system call.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self.worker = worker
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{worker.replace('/', '_')}{SUFFIX}"
        unlocked = self._path.with_suffix(".new")
        self._file = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._file, 0)
        self._map = self._extend()
        self._end = 0
        self._write(json.dumps({"worker": worker}))
        self._start = self._end
        # Under its name it is never seen without its lock, so never taken for a dead one's.
        unlocked.rename(self._path)

    def leaving(self, delivery_id: int) -> None:
        """Note that a letter is about to leave."""
        self._write(str(delivery_id))

    def done(self, delivery_id: int, outcome: Outcome) -> None:
        """Note an outcome."""
        # The commonest line is written by hand: the rest of it is what `read_entries` takes for granted.
        self._write(
            f"+{delivery_id} {outcome.reply}"
            if outcome.result is Result.ACCEPTED and outcome.code == 250
            else f"={delivery_id} {json.dumps([outcome.result.value, outcome.code, outcome.reply, outcome.reason])}"
        )

    def clear(self) -> None:
        """Begin anew, after what is in it has been settled and committed."""
        self._map[self._start : self._end] = bytes(self._end - self._start)
        self._end = self._start

    def abandon(self) -> None:
        """Let go of the file with all that is in it, so that somebody settles it (see `dead_journals`)."""
        self._map.close()  # It holds the lock too.
        os.close(self._file)

    def close(self) -> None:
        """Remove the file, at the worker's orderly end."""
        self._path.unlink(missing_ok=True)
        self.abandon()

    def _write(self, line: str) -> None:
        data = line.encode()
        end = self._end + len(data)
        if end >= len(self._map):
            full, self._map = self._map, self._extend()
            full.close()
        self._map[self._end : end] = data
        self._map[end] = LINE_END  # Only now: a worker that dies before leaves no line, rather than a torn one.
        self._end = end + 1

    def _extend(self) -> mmap.mmap:
        """Make room for more, on the disk too: a full disk is an error here, and would be a crash in the memory."""
        if os.write(self._file, bytes(ROOM)) != ROOM:
            raise OSError(f"the journal {self._path} can't be written whole")
        return mmap.mmap(self._file, 0)


def read_entries(text: str) -> Entries:
    """A journal's lines, the last perhaps torn, as what they mean. They end where nothing was written yet."""
    lines = text.partition("\0")[0].split("\n")[:-1]  # What follows the last line end was never finished.
    entries = Entries(worker=json.loads(lines[0])["worker"] if lines else "")
    for line in lines[1:]:
        if line[0] == "+":
            number, _, reply = line[1:].partition(" ")
            entries.outcomes[int(number)] = Outcome(Result.ACCEPTED, 250, reply)
        elif line[0] == "=":
            number, _, rest = line[1:].partition(" ")
            result, code, reply, reason = json.loads(rest)
            entries.outcomes[int(number)] = Outcome(Result(result), code, reply, reason)
        else:
            entries.in_doubt.add(int(line))
            entries.outcomes.pop(int(line), None)
    entries.in_doubt -= entries.outcomes.keys()
    return entries


@contextmanager
def dead_journals(folder: Path) -> Iterator[list[Entries]]:
    """The journals of workers that are gone. Leaving the block without an error removes them.

    Only one caller at a time gets each: it holds their locks inside the block.
    """
    found: list[tuple[Path, int, Entries]] = []
    try:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                file = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)  # Its worker lives.
                continue
            if os.fstat(file).st_nlink == 0:
                os.close(file)  # Somebody else has just settled and removed it.
                continue
            with os.fdopen(os.dup(file), "rb") as reader:
                found.append((path, file, read_entries(reader.read().decode("utf-8", "replace"))))
        yield [entries for _, _, entries in found]
        for path, _, _ in found:
            path.unlink(missing_ok=True)
    finally:
        for _, file, _ in found:
            os.close(file)
