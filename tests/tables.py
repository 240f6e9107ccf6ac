"""What stands in the database, all of it, so that a test can say: nothing else changed."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.extensions import Base

Tables = dict[str, list[tuple[Any, ...]]]


def read_tables(session: Session) -> Tables:
    """Every row of every table. Ends the session's transaction, so that the app can write."""
    session.commit()
    found = {
        table.name: sorted((tuple(row) for row in session.execute(sa.select(table))), key=repr)
        for table in Base.metadata.sorted_tables
    }
    session.rollback()
    return found


def count_new(before: Tables, after: Tables) -> dict[str, int]:
    """How many rows each table has gained, where it has; and that no row that was there has changed or gone."""
    for name, rows in before.items():
        assert [row for row in rows if row not in after[name]] == [], f"a row of {name} changed or went"
    return {name: len(rows) - len(before[name]) for name, rows in after.items() if len(rows) != len(before[name])}
