"""A reader with a mailbox: what comes there, and the way in to one's own topics by its links."""

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.transport import MemoryTransport
from tests.factories import DAY, deliver_everything, make_subscriber, make_topics
from tests.pages import filled_in, find_form, read_page

ANA = "ana@example.org"


def subscribe(
    session: Session, *slugs: str, address: str = ANA, frequency: str = "direct", language: str = "sv"
) -> int:
    """A subscriber who said yes yesterday; gives their number."""
    make_topics(session)
    found = make_subscriber(session, address, *slugs, frequency=frequency, language=language, now=clock.now() - DAY)
    number = found.id
    session.commit()
    return number


def receive(app: Flask, session: Session) -> list[tuple[str, EmailMessage]]:
    """Deliver all that is due; gives each letter with the address that it went to."""
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    session.commit()
    found = []
    for one in post.accepted:
        letter = email.message_from_bytes(one.letter, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        found.append((one.to, letter))
    return found


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def link_in(letter: EmailMessage, part: str) -> str:
    """The path of the link with this part in it."""
    (link,) = re.findall(rf"http://127\.0\.0\.1:8000(\S*/{part}/\S+)", text_of(letter))
    return str(link)


def ask_for_link(client: FlaskClient, address: str = ANA, prefix: str = "") -> Any:
    form = find_form(read_page(client.get(f"{prefix}/mina-amnen")), "email")
    return client.post(form.get("action"), data=filled_in(form, email=address))


def log_in(app: Flask, session: Session, client: FlaskClient, address: str = ANA) -> None:
    """Ask for a link, open it, and press its button."""
    ask_for_link(client, address)
    found = [letter for to, letter in receive(app, session) if to == address and "/logga-in/" in text_of(letter)]
    (link,) = [link_in(letter, "logga-in") for letter in found]
    assert client.post(link).status_code == 303
