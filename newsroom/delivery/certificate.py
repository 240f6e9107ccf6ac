"""The certificate (utskicksprotokoll): what became of a finished mailing, in lines that are chained by their hashes.

Each line's hash covers the line before it, and a certificate's first line the last one of the certificate before, so
that nothing can be changed, left out or put in between afterwards without every later hash being wrong.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery import progress
from newsroom.delivery.models import Certificate, Mailing, MailingEvent, MailingItem
from newsroom.extensions import changed

FORMAT = "newsroom-certificate-1"
SOFTWARE = f"newsroom {version('newsroom')}"
BEGINNING = "0" * 64  # What the first certificate of all is chained to.

Line = dict[str, Any]


class NotACertificate(Exception):
    """The text is no certificate of ours; the text of the error says why, in one line."""


_UNCERTIFIED = sa.select(Mailing.id).where(Mailing.uncertified).order_by(Mailing.finished_at)  # Asked every second.


def uncertified(session: Session) -> Sequence[int]:
    """The finished mailings that have no certificate of it yet, the first to finish first."""
    return session.scalars(_UNCERTIFIED).all()


def collect(session: Session, mailing_id: int) -> list[Line]:
    """What a mailing's certificate says, as lines without their hashes. Reads only."""
    mailing = session.get_one(Mailing, mailing_id, populate_existing=True)
    return [_describe(mailing), *_list_items(session, mailing), *_list_numbers(session, mailing)]


def _describe(mailing: Mailing) -> Line:
    return {
        "line": "mailing",
        "mailing": mailing.id,
        "key": mailing.key,
        "kind": mailing.kind,
        "period_start": _write_time(mailing.period_start),
        "period_end": _write_time(mailing.period_end),
        "begun_at": _write_time(mailing.created_at),
        "matched_at": _write_time(mailing.matched_at),
        "opened_at": _write_time(mailing.opened_at),
        "cancelled_at": _write_time(mailing.cancelled_at),
        "finished_at": _write_time(mailing.finished_at),
        "software": SOFTWARE,
    }


def _list_items(session: Session, mailing: Mailing) -> Iterator[Line]:
    told = session.scalars(
        sa.select(MailingItem).where(MailingItem.mailing_id == mailing.id).order_by(MailingItem.place)
    )
    for one in told:
        yield {"line": "item", "item": one.item_id, "guid": one.item.guid, "version": one.version}
    for language, reason, sha256, count in progress.editions(session, mailing.id):
        yield {"line": "edition", "language": language, "items": reason, "sha256": sha256, "deliveries": count}
    events = session.scalars(
        sa.select(MailingEvent).where(MailingEvent.mailing_id == mailing.id).order_by(MailingEvent.id)
    )
    for event in events:
        yield {"line": "event", "kind": event.kind, "at": _write_time(event.happened_at)}


def _list_numbers(session: Session, mailing: Mailing) -> Iterator[Line]:
    """The lines that the ledger can be asked for again."""
    counts: dict[tuple[str, str], int] = {}
    for one in progress.reasons(session, mailing.id, most=1_000_000):
        if one.state != "waiting":
            counts[one.state, one.reason or ""] = counts.get((one.state, one.reason or ""), 0) + one.count
    for (state, reason), count in sorted(counts.items()):
        yield {"line": "reason", "state": state, "reason": reason, "count": count}
    first, last = progress.span(session, mailing.id)
    yield {"line": "first and last", "first_accepted_at": _write_time(first), "last_accepted_at": _write_time(last)}
    yield {"line": "totals", **progress.totals(session, mailing.id)}


def _write_time(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment is not None else None


def hash_line(before: str, line: Line) -> str:
    """A line's hash: SHA-256 over the hash before it and the line as canonical JSON, in hexadecimal."""
    words = {key: value for key, value in line.items() if key != "hash"}
    text = json.dumps(words, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{before}\n{text}".encode("ascii")).hexdigest()


def chain(before: str, lines: Sequence[Line]) -> list[Line]:
    """The lines with their hashes, the first chained to `before`."""
    chained = []
    for line in lines:
        before = hash_line(before, line)
        chained.append({**line, "hash": before})
    return chained


def keep(session: Session, mailing_id: int, lines: Sequence[Line], *, now: dt.datetime) -> bool:
    """Store a finished mailing's certificate; false where it has one by now, or has been opened again."""
    finished_at = dt.datetime.fromisoformat(lines[0]["finished_at"]) if lines[0]["finished_at"] else None
    mine = sa.update(Mailing).where(Mailing.id == mailing_id, Mailing.uncertified, Mailing.finished_at == finished_at)
    if changed(session, mine.values(uncertified=False)) == 0:
        return False
    newest = session.execute(
        sa.select(Certificate.number, Certificate.sha256).order_by(Certificate.number.desc()).limit(1)
    ).one_or_none()
    number, before = (newest.number + 1, newest.sha256) if newest is not None else (1, BEGINNING)
    earlier = session.scalar(sa.select(sa.func.max(Certificate.issue)).where(Certificate.mailing_id == mailing_id))
    issue = (earlier or 0) + 1
    head = {"number": number, "issue": issue, "made_at": _write_time(now)}
    chained = chain(before, [{**lines[0], **head}, *lines[1:]])
    body = json.dumps({"format": FORMAT, "before": before, "lines": chained}, indent=1, ensure_ascii=False)
    session.add(
        Certificate(
            number=number, mailing_id=mailing_id, issue=issue, body=body, sha256=chained[-1]["hash"], made_at=now
        )
    )
    session.flush()
    return True


def newest(session: Session, mailing_id: int) -> Certificate | None:
    """A mailing's latest certificate."""
    return session.scalar(
        sa.select(Certificate).where(Certificate.mailing_id == mailing_id).order_by(Certificate.issue.desc()).limit(1)
    )


def read(text: str) -> list[Line]:
    """A certificate's lines, after checking that they are chained. Raises NotACertificate."""
    try:
        body = json.loads(text)
        kind, before, lines = body["format"], body["before"], body["lines"]
        hashes = [line["hash"] for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise NotACertificate("it isn't one, or isn't whole") from error
    if kind != FORMAT or not lines or lines[0].get("line") != "mailing":
        raise NotACertificate(f"its format is not {FORMAT}")
    for number, (line, given) in enumerate(zip(lines, hashes, strict=True), start=1):
        before = hash_line(before, line)
        if before != given:
            raise NotACertificate(f"line {number} ({line.get('line')}) doesn't fit the hash that it carries")
    return list(lines)


def verify(session: Session, text: str) -> list[str]:
    """What doesn't agree between a certificate and the ledger, a line each; empty where all does.

    Raises NotACertificate.
    """
    lines = read(text)
    head = lines[0]
    kept = session.get(Certificate, head.get("number"))
    if kept is None:
        return [f"The database has no certificate number {head.get('number')}."]
    found = []
    if kept.sha256 != lines[-1]["hash"]:
        found.append(f"The database's certificate number {kept.number} has another hash.")
    before = session.get(Certificate, kept.number - 1)
    if json.loads(text)["before"] != (before.sha256 if before is not None else BEGINNING):
        found.append(f"It isn't chained to certificate number {kept.number - 1}.")
    latest = newest(session, kept.mailing_id)
    if latest is not None and latest.issue != kept.issue:
        found.append(f"It was superseded by certificate number {latest.number}: the mailing was opened again.")
        return found
    mailing = session.get_one(Mailing, kept.mailing_id)
    if mailing.state != "done":
        found.append("The mailing has been opened again and isn't finished.")
    said = {_name(line): line for line in lines if line["line"] in ("reason", "first and last", "totals")}
    holds = {_name(line): line for line in _list_numbers(session, mailing)}
    for name in {**said, **holds}:
        ours, theirs = _without_hash(said.get(name)), holds.get(name)
        if ours != theirs:
            found.append(f"{name}: the certificate says {_show(ours)}, the ledger {_show(theirs)}.")
    return found


def _name(line: Line) -> str:
    return " ".join(str(line[key]) for key in ("line", "state", "reason") if line.get(key))


def _without_hash(line: Line | None) -> Line | None:
    return None if line is None else {key: value for key, value in line.items() if key != "hash"}


def _show(line: Line | None) -> str:
    if line is None:
        return "nothing"
    return ", ".join(f"{key} {value}" for key, value in line.items() if key not in ("line", "state", "reason"))
