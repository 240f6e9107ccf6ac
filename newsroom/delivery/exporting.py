"""All that is known about one subscriber, as plain data: what a person may ask an authority for. Reads only.

Every table that refers to a subscriber is here; docs/export.md says what each part means.
"""

import datetime as dt
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery import history
from newsroom.delivery.models import Delivery, Mailing
from newsroom.subscribers.models import (
    ConsentEvent,
    PersonalLetter,
    ReaderSession,
    Signup,
    SignupTopic,
    Subscriber,
    Subscription,
)

FORMAT = "newsroom-export-1"

Data = dict[str, Any]


def write(data: Data) -> str:
    """The file: JSON that people can read."""
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def collect(session: Session, subscriber: Subscriber, *, now: dt.datetime) -> Data:
    """What is known about a subscriber at `now`."""
    return {
        "format": FORMAT,
        "exported_at": _time(now),
        "subscriber": {
            "number": subscriber.id,
            "address": subscriber.address,
            "compared_as": subscriber.address_key,
            "token_in_links_to_leave": subscriber.token,
            "language": subscriber.language,
            "created_at": _time(subscriber.created_at),
            "confirmed_at": _time(subscriber.confirmed_at),
            "refusals_in_a_row": subscriber.refusals,
            "paused_until": _time(subscriber.paused_until),
        },
        "subscriptions": _subscriptions(session, subscriber),
        "sign_ups": _signups(session, subscriber),
        "consent": _consent(session, subscriber),
        "logins": _sessions(session, subscriber),
        "letters_asked_for": _personal_letters(session, subscriber),
        "letters": _letters(session, subscriber),
    }


def _time(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds") if moment is not None else None


def _subscriptions(session: Session, subscriber: Subscriber) -> list[Data]:
    rows = session.scalars(
        sa.select(Subscription).where(Subscription.subscriber_id == subscriber.id).order_by(Subscription.id)
    )
    return [
        {
            "topic": one.topic.slug,
            "topic_name": one.topic.name_in(subscriber.language),
            "frequency": one.frequency,
            "source": one.source,
            "began_at": _time(one.began_at),
            "ended_at": _time(one.ended_at),
            "end_reason": one.end_reason,
        }
        for one in rows
    ]


def _signups(session: Session, subscriber: Subscriber) -> list[Data]:
    rows = session.scalars(sa.select(Signup).where(Signup.subscriber_id == subscriber.id).order_by(Signup.id)).all()
    own = {
        (one.signup_id, one.topic_id): one.frequency
        for one in session.scalars(sa.select(SignupTopic).where(SignupTopic.signup_id.in_([row.id for row in rows])))
    }
    return [
        {
            "topics": [
                {"topic": topic.slug, "frequency": own.get((one.id, topic.id)) or one.frequency} for topic in one.topics
            ],
            "language": one.language,
            "source": one.source,
            "consent_text": one.consent_text,
            "requested_at": _time(one.requested_at),
            "confirmed_at": _time(one.confirmed_at),
        }
        for one in rows
    ]


def _consent(session: Session, subscriber: Subscriber) -> list[Data]:
    rows = session.scalars(
        sa.select(ConsentEvent).where(ConsentEvent.subscriber_id == subscriber.id).order_by(ConsentEvent.id)
    )
    return [
        {
            "kind": one.kind,
            "text": one.text,
            "topics": one.topics,
            "frequency": one.frequency,
            "source": one.source,
            "happened_at": _time(one.happened_at),
        }
        for one in rows
    ]


def _sessions(session: Session, subscriber: Subscriber) -> list[Data]:
    rows = session.scalars(
        sa.select(ReaderSession).where(ReaderSession.subscriber_id == subscriber.id).order_by(ReaderSession.began_at)
    )
    return [{"began_at": _time(one.began_at), "ends_at": _time(one.ends_at)} for one in rows]


def _personal_letters(session: Session, subscriber: Subscriber) -> list[Data]:
    rows = session.scalars(
        sa.select(PersonalLetter).where(PersonalLetter.subscriber_id == subscriber.id).order_by(PersonalLetter.id)
    )
    return [
        {
            "kind": one.kind,
            "to_another_address": one.address,
            "language": one.language,
            "asked_at": _time(one.asked_at),
            "link_good_until": _time(one.good_until),
            "link_used_at": _time(one.used_at),
        }
        for one in rows
    ]


def _letters(session: Session, subscriber: Subscriber) -> list[Data]:
    """Each letter with what became of it, the oldest first."""
    answers = {
        row.key: row
        for row in session.execute(
            sa.select(
                Mailing.key,
                Delivery.attempts,
                Delivery.first_tried_at,
                Delivery.retry_at,
                Delivery.settled_at,
                Delivery.code,
                Delivery.reply,
            )
            .join(Mailing, Mailing.id == Delivery.mailing_id)
            .where(Delivery.subscriber_id == subscriber.id)
        )
    }
    found = []
    for letter in reversed(history.letters_of(session, subscriber.id)):
        answer = answers[letter.key]
        found.append(
            {
                "kind": letter.kind,
                "mailing": letter.key,
                "language": letter.language,
                "items": [item.headline for item in letter.items],
                "state": letter.state,
                "reason": letter.reason,
                "attempts": answer.attempts,
                "first_tried_at": _time(answer.first_tried_at),
                "next_try_at": _time(answer.retry_at),
                "settled_at": _time(answer.settled_at),
                "mail_servers_code": answer.code,
                "mail_servers_words": answer.reply,
            }
        )
    return found
