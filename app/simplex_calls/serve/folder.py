"""The data folder of ``simplex-calls serve``: secrets, certificates and the plan, readable by their owner alone.

plan.json             what was started last, for ``--check`` and ``--show``
password              what clients need to create queues on the relay
relay/                the relay's own folder
turn/secret           shared with TURN clients, one a line; the first is given out
turn/turnserver.conf  written at each start
turn/tls.crt, tls.key a certificate of our own, or a copy of the given one
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from simplex_calls.catalogue import text
from simplex_calls.serve.plan import Plan, ServeError

_SECRET_BYTES = 32
_PASSWORD_BYTES = 18
_LONGEST = 512


class Folder:
    """The files under ``path``; made by :meth:`prepare`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.relay = path / "relay"
        self.turn = path / "turn"
        self.plan_file = path / "plan.json"
        self.password_file = path / "password"
        self.secret_file = self.turn / "secret"
        self.configuration_file = self.turn / "turnserver.conf"
        self.certificate_file = self.turn / "tls.crt"
        self.key_file = self.turn / "tls.key"

    def prepare(self) -> None:
        """Make the folders; raises :class:`ServeError`."""
        try:
            for folder in (self.path, self.turn):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                folder.chmod(0o700)
        except OSError as error:
            raise ServeError(text("serve.data.unusable", path=self.path, reason=error.strerror)) from None

    def secrets(self) -> tuple[str, ...]:
        """What is shared with TURN clients; made if there is nothing. Raises :class:`ServeError`."""
        return self._words(self.secret_file, secrets.token_urlsafe(_SECRET_BYTES))

    def password(self) -> str:
        """What clients need to create queues; made if there is none. Raises :class:`ServeError`."""
        return self._words(self.password_file, secrets.token_urlsafe(_PASSWORD_BYTES))[0]

    def store_plan(self, plan: Plan) -> None:
        """Keep what is started."""
        self.write(self.plan_file, plan.to_json().encode())

    def plan(self) -> Plan:
        """What was started last; raises :class:`ServeError`."""
        try:
            return Plan.from_json(self.plan_file.read_text("utf-8"))
        except FileNotFoundError:
            raise ServeError(text("serve.data.empty", path=self.path)) from None
        except OSError as error:
            raise ServeError(text("serve.data.unusable", path=self.plan_file, reason=error.strerror)) from None
        except (ValueError, TypeError):
            raise ServeError(text("serve.data.damaged", path=self.plan_file)) from None

    def read(self, path: Path) -> bytes:
        """A file of any place; raises :class:`ServeError`."""
        try:
            return path.read_bytes()
        except OSError as error:
            raise ServeError(text("serve.data.unusable", path=path, reason=error.strerror)) from None

    def write(self, path: Path, content: bytes) -> None:
        """Write a file that only its owner may read, whole or not at all; raises :class:`ServeError`."""
        draft = path.with_name(path.name + ".new")
        try:
            with suppress(FileNotFoundError):
                draft.unlink()
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise ServeError(text("serve.data.unusable", path=path, reason=error.strerror)) from None

    def _words(self, path: Path, new: str) -> tuple[str, ...]:
        if not path.exists():
            self.write(path, f"{new}\n".encode())
        try:
            lines = self.read(path).decode("ascii").splitlines()
        except UnicodeDecodeError:
            lines = []
        words = tuple(line.strip() for line in lines if line.strip())
        if not words or any(len(word) > _LONGEST or not word.isprintable() or " " in word for word in words):
            raise ServeError(text("serve.secret.damaged", path=path))
        return words
