"""Noticing at once that another process wrote to the database, without asking what."""

import sqlite3

import sqlalchemy as sa

WATCH_SECONDS = 0.1  # Between two questions whether another process wrote to the database.

# All of it, not only its upper end: a transaction that took its number early and commits late moves no end.
_SNAPSHOT = sa.text("SELECT CAST(pg_current_snapshot() AS text)")


class Watch:
    """Says whether anybody has committed anything since it was last asked. Belongs to the thread that asks first.

    SQLite keeps a number for that, which costs microseconds to read. PostgreSQL knows which transactions are over, on
    the whole server: a neighbour's commit is noticed too, and costs whoever asks a look in vain.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._file: sqlite3.Connection | None = None
        self._connection: sa.Connection | None = None
        self._seen: object = None

    def has_changed(self) -> bool:
        """Whether something was committed since the last call; the first call says yes."""
        try:
            now = self._read_file() if self._engine.dialect.name == "sqlite" else self._read_snapshot()
        except (sqlite3.Error, sa.exc.SQLAlchemyError):
            self.close()  # A look for work meets the same error, and tells of it.
            return False
        before, self._seen = self._seen, now
        return now != before

    def _read_file(self) -> object:
        if not self._engine.url.database:
            return None  # It is in memory, and nobody else's.
        if self._file is None:
            self._file = sqlite3.connect(self._engine.url.database)
        return self._file.execute("PRAGMA data_version").fetchone()

    def _read_snapshot(self) -> object:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._connection.scalar(_SNAPSHOT)

    def close(self) -> None:
        """Let go of the database."""
        file, self._file = self._file, None
        connection, self._connection = self._connection, None
        if file is not None:
            file.close()
        if connection is not None:
            connection.close()
