"""Alembic's way into our tables. Run through `newsroom db`."""

from alembic import context
from flask import current_app

from newsroom.extensions import Base, db

options = current_app.extensions["migrate"].configure_args

if context.is_offline_mode():
    context.configure(
        url=current_app.config["SQLALCHEMY_DATABASE_URI"], target_metadata=Base.metadata, literal_binds=True, **options
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # A table is changed by making it anew; with foreign keys on, what hangs on the old one would go with it.
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
        context.configure(connection=connection, target_metadata=Base.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()
        connection.invalidate()
