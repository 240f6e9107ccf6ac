"""The journal's lock."""

from pathlib import Path
from threading import Thread

from newsroom.delivery.journal import Journal, dead_journals


def test_a_worker_that_is_just_beginning_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    seen: list[str] = []
    done = False

    def look() -> None:
        while not done:
            with dead_journals(tmp_path) as found:
                seen.extend(entries.worker for entries in found)

    looker = Thread(target=look)
    looker.start()
    journals = [Journal(tmp_path, f"worker:{number}") for number in range(500)]
    done = True
    looker.join()

    assert seen == []
    assert len(list(tmp_path.glob("*.journal"))) == 500
    for journal in journals:
        journal.close()
