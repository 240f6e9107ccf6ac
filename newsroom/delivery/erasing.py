"""What the ledger forgets of a person: mail servers' answers, and the letters to one person that hold an address.

Deliveries stay, so that mailings and their certificates count as before. SQL only; the caller commits.
"""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.deliveries import ERASED
from newsroom.delivery.models import Batch, Delivery, Edition, Mailing
from newsroom.extensions import UTCDateTime, changed
from newsroom.subscribers.models import PersonalLetter
from newsroom.subscribers.signup import LINK_DAYS

# Asked every second, and so built once.
_NOW, _BEFORE = (sa.bindparam(name, type_=UTCDateTime()) for name in ("now", "before"))
_LETTERS_DONE = (
    sa.select(PersonalLetter.id, PersonalLetter.kind, Mailing.id)
    .outerjoin(Mailing, Mailing.personal_letter_id == PersonalLetter.id)
    .where(
        PersonalLetter.address.is_not(None),
        sa.or_(Mailing.state == "done", sa.and_(Mailing.id.is_(None), PersonalLetter.asked_at < _BEFORE)),
        ~sa.and_(PersonalLetter.kind == "change", PersonalLetter.good_until > _NOW),  # It waits for a yes.
    )
    .limit(500)
)


def forget_replies(session: Session, subscriber_id: int) -> None:
    """Forget what mail servers said about a subscriber's address: their words often hold it."""
    said = sa.update(Delivery).where(Delivery.subscriber_id == subscriber_id, Delivery.reply.is_not(None))
    changed(session, said.values(reply=None))


def forget_subscriber(session: Session, subscriber_id: int, *, now: dt.datetime) -> None:
    """Take a subscriber's waiting letters back, and forget what mail servers said about them.

    A letter that is on a wire at this moment is settled as what became of it, but without the server's words.
    """
    open_batches = sa.select(Batch.id).where(Batch.id == Delivery.batch_id, Batch.state == "open").exists()
    mine = sa.and_(Delivery.subscriber_id == subscriber_id, open_batches)
    on_its_way = sa.update(Delivery).where(mine, Delivery.state.in_(("waiting", "uncertain")))
    changed(
        session,
        on_its_way.values(
            state=sa.case((Delivery.state == "waiting", "skipped"), else_=Delivery.state),
            reason=ERASED,
            settled_at=sa.case((Delivery.state == "waiting", sa.literal(now, Delivery.settled_at.type))),
            retry_at=None,
        ),
    )
    forget_replies(session, subscriber_id)


def forget_letters(session: Session, *, now: dt.datetime) -> int:
    """Forget the addresses of personal letters that have done their work; says of how many.

    A farewell goes altogether; of a letter about a new address it stays known that there was one. One that nobody
    could send within the time that letters are looked for never leaves, and is forgotten, too.
    """
    found = session.execute(_LETTERS_DONE, {"now": now, "before": now - dt.timedelta(days=LINK_DAYS + 1)}).all()
    farewells = [row[0] for row in found if row[1] == "goodbye"]
    others = [row[0] for row in found if row[1] != "goodbye"]
    mailings = [row[2] for row in found if row[1] != "goodbye" and row[2] is not None]
    if farewells:  # Their mailings, with all that belongs to them, go with them.
        changed(session, sa.delete(PersonalLetter).where(PersonalLetter.id.in_(farewells)))
    if others:
        changed(session, sa.update(PersonalLetter).where(PersonalLetter.id.in_(others)).values(address=None))
        changed(session, sa.update(Edition).where(Edition.mailing_id.in_(mailings)).values(letter=None))
        changed(session, sa.update(Delivery).where(Delivery.mailing_id.in_(mailings)).values(reply=None))
    return len(found)
