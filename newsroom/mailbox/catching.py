"""The mailbox's SMTP server."""

import asyncio
import socket
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from newsroom import clock
from newsroom.mailbox.store import MailboxStore


class _Handler:
    def __init__(self, store: MailboxStore) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        await asyncio.to_thread(
            self._store.keep,
            sender=envelope.mail_from or "",
            recipients=envelope.rcpt_tos,
            raw=raw,
            now=clock.now(),
        )
        return "250 2.0.0 Caught"


class PortTaken(Exception):
    """Something else listens there."""


class CatchingServer:
    """Catches letters on 127.0.0.1 from `start` to `stop`; `port` tells where, also when 0 was asked for."""

    def __init__(self, folder: Path, port: int) -> None:
        try:
            with socket.create_server(("127.0.0.1", port)) as probe:
                self.port: int = probe.getsockname()[1]
        except OSError as error:
            raise PortTaken(f"port {port}: {error.strerror}") from error
        self._controller = Controller(
            _Handler(MailboxStore(folder)),
            hostname="127.0.0.1",
            port=self.port,
            enable_SMTPUTF8=True,
            ident="Mailbox",
            ready_timeout=60,
        )

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()
