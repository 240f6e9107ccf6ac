"""Editors: people with a login at the desk. Flask-Security keeps their passwords (argon2) and their sessions."""

import datetime as dt
import secrets

import sqlalchemy as sa
from flask_security import RoleMixin, SQLAlchemyUserDatastore, UserMixin, hash_password
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsroom.extensions import Base, db, security
from newsroom.subscribers.addresses import BadAddress, read_address


class Role(Base, RoleMixin):
    """What an editor may do. Every editor may do everything so far."""

    __tablename__ = "role"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]


class EditorRole(Base):
    """Which roles an editor has."""

    __tablename__ = "editor_role"

    editor_id: Mapped[int] = mapped_column(sa.ForeignKey("editor.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[int] = mapped_column(sa.ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)


class Editor(Base, UserMixin):
    """A person with a login. `fs_uniquifier` stands in the session; a new one ends all sessions."""

    __tablename__ = "editor"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[dt.datetime]

    roles: Mapped[list[Role]] = relationship(secondary="editor_role", lazy="selectin")


datastore = SQLAlchemyUserDatastore(db, Editor, Role)


class BadEditor(Exception):
    """An editor can't be added as asked; the text says why."""


def make_password() -> str:
    """A random password of 96 bits."""
    return secrets.token_urlsafe(12)


def _hash(password: str) -> str:
    """A password as it is kept: first in the one form of Unicode that the login page brings it into."""
    return str(hash_password(security.password_util.normalize(password)))


def add_editor(email: str, *, password: str, now: dt.datetime) -> Editor:
    """Add an editor to the session. Raises BadEditor."""
    try:
        address = read_address(email)
    except BadAddress as error:
        raise BadEditor(f"{email!r} is not an e-mail address.") from error
    if datastore.find_user(case_insensitive=True, email=address.shown) is not None:
        raise BadEditor(f"{address.shown} is an editor already.")
    editor: Editor = datastore.create_user(email=address.shown, password=_hash(password), created_at=now)
    db.session.flush()
    return editor


def set_password(email: str, *, password: str) -> Editor:
    """Give an editor a new password and end all their sessions. Raises BadEditor."""
    editor: Editor | None = datastore.find_user(case_insensitive=True, email=email.strip())
    if editor is None:
        raise BadEditor(f"There is no editor {email!r}.")
    editor.password = _hash(password)
    datastore.set_uniquifier(editor)
    return editor
