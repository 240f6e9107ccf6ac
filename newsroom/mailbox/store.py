"""Where caught letters are kept: a database file of its own, so that the site and the SMTP server both reach it."""

import datetime as dt
import email
import email.policy
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

MOST_LETTERS = 20_000  # Older ones make room.


@dataclass(frozen=True)
class CaughtLetter:
    """One letter as it arrived. `sender` and `to` are the envelope's."""

    id: int
    sender: str
    to: str
    subject: str
    message_id: str
    received_at: str  # ISO 8601, UTC.


class MailboxStore:
    """Caught letters, newest first."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "mailbox.sqlite3"

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=15, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS letter (id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT, recipient TEXT,"
            " subject TEXT, message_id TEXT, received_at TEXT, raw BLOB)"
        )
        return connection

    def keep(self, *, sender: str, recipients: Sequence[str], raw: bytes, now: dt.datetime) -> None:
        """Keep a letter, once for each recipient."""
        letter = parse(raw)
        with closing(self._connect()) as connection:
            for recipient in recipients:
                row = connection.execute(
                    "INSERT INTO letter (sender, recipient, subject, message_id, received_at, raw)"
                    " VALUES (?,?,?,?,?,?)",
                    (
                        sender,
                        recipient,
                        str(letter["Subject"] or ""),
                        _message_id(letter),
                        now.isoformat(timespec="milliseconds"),
                        raw,
                    ),
                )
                connection.execute("DELETE FROM letter WHERE id <= ?", ((row.lastrowid or 0) - MOST_LETTERS,))

    def list(self, *, to: str | None = None, limit: int = -1, before: int | None = None) -> Sequence[CaughtLetter]:
        """Letters, newest first: to one recipient, older than one letter, at most so many (-1: all)."""
        with closing(self._connect()) as connection:
            rows = connection.execute(
                "SELECT id, sender, recipient, subject, message_id, received_at FROM letter"
                " WHERE (?1 IS NULL OR lower(recipient) = lower(?1)) AND (?2 IS NULL OR id < ?2)"
                " ORDER BY id DESC LIMIT ?3",
                (to, before, limit),
            )
            return [CaughtLetter(*row) for row in rows]

    def read(self, letter_id: int) -> tuple[CaughtLetter, bytes] | None:
        """One letter and its bytes."""
        with closing(self._connect()) as connection:
            row = connection.execute(
                "SELECT id, sender, recipient, subject, message_id, received_at, raw FROM letter WHERE id = ?",
                (letter_id,),
            ).fetchone()
        return (CaughtLetter(*row[:6]), row[6]) if row else None


def parse(raw: bytes) -> EmailMessage:
    """A letter's bytes as a message."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def part_text(letter: EmailMessage, kind: str) -> str:
    """A letter's `plain` or `html` part as text; empty where it has none."""
    part = letter.get_body(preferencelist=("plain",) if kind == "plain" else ("html",))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except LookupError:  # An encoding that nobody knows.
        return bytes(part.get_payload(decode=True)).decode("utf-8", "replace")


def _message_id(letter: EmailMessage) -> str:
    """The Message-ID as it stands: the library's parser fails on some that aren't one."""
    raw = next((str(value) for name, value in letter.raw_items() if name.lower() == "message-id"), "")
    return raw.strip().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
