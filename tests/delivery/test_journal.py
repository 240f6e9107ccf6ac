"""The journal: its lock, and what it says after its worker's death."""

from pathlib import Path
from threading import Thread

from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.journal import ROOM, Entries, Journal, dead_journals, read_entries


def test_a_worker_that_is_just_beginning_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    seen: list[str] = []
    done = False

    def look() -> None:
        while not done:
            with dead_journals(tmp_path) as found:
                seen.extend(entries.worker for entries in found)

    looker = Thread(target=look)
    looker.start()
    journals = [Journal(tmp_path, f"worker:{number}") for number in range(200)]
    done = True
    looker.join()

    assert seen == []
    assert len(list(tmp_path.glob("*.journal"))) == 200
    for journal in journals:
        journal.close()


ACCEPTED = Outcome(Result.ACCEPTED, 250, "2.0.0 Ok: queued as 4F2A1B2C3D")
LATER = Outcome(Result.LATER, 451, "å" * 400)


def read_what_is_left(folder: Path, journal: Journal) -> Entries:
    journal.abandon()
    with dead_journals(folder) as (entries,):
        return entries


def test_a_journal_says_what_was_answered_and_what_is_in_doubt(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "worker")
    journal.leaving(1)
    journal.done(1, ACCEPTED)
    journal.leaving(2)
    journal.done(2, LATER)
    journal.leaving(3)

    assert read_what_is_left(tmp_path, journal) == Entries("worker", {1: ACCEPTED, 2: LATER}, {3})
    assert list(tmp_path.iterdir()) == []


def test_a_cleared_journal_says_only_what_came_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "worker")
    for number in range(1000, 1250):
        journal.leaving(number)
        journal.done(number, ACCEPTED)
    journal.clear()
    journal.done(1, ACCEPTED)

    assert read_what_is_left(tmp_path, journal) == Entries("worker", {1: ACCEPTED}, set())


def test_a_journal_grows_with_the_answers(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "worker")
    many = ROOM // 400
    for number in range(many):
        journal.leaving(number)
        journal.done(number, LATER)

    assert read_what_is_left(tmp_path, journal).outcomes == dict.fromkeys(range(many), LATER)


def test_a_line_that_was_not_finished_says_nothing() -> None:
    entries = read_entries('{"worker": "w"}\n1\n+1 Ok\n2\n+2 O\0\0')

    assert entries == Entries("w", {1: Outcome(Result.ACCEPTED, 250, "Ok")}, {2})
