"""What every room shares."""

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.extensions import describe_failure
from newsroom.subscribers.models import Subscriber
from tests.factories import NOON


def test_no_address_gets_into_a_log_through_a_database_error(app: Flask, session: Session) -> None:
    def twice() -> None:
        for token in ("one", "two"):
            session.add(
                Subscriber(address="ana@example.org", address_key="ana@example.org", token=token, created_at=NOON)
            )
            session.flush()

    with pytest.raises(sa.exc.IntegrityError) as caught:
        twice()
    session.rollback()
    assert "ana@" not in describe_failure(caught.value)
    assert "ana@" not in str(caught.value).replace(str(caught.value.orig), "")
