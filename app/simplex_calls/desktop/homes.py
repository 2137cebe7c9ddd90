"""What windows and browser pages show: a home with profiles, or a single client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from simplex_calls.bridge.shell import HomePort
from simplex_calls.client import Client


class Home(Protocol):
    """Opens clients, one after the other."""

    @property
    def client(self) -> Client | None:
        """The one that is open; ``None`` while a passphrase is wanted."""

    @property
    def port(self) -> HomePort | None:
        """What pages can ask of it; ``None`` for a single client."""

    async def changed(self) -> None:
        """Wait until another client is wanted."""

    async def follow(self) -> None:
        """Open it."""


HomeFactory = Callable[[], AbstractAsyncContextManager[Home] | AbstractAsyncContextManager[Client]]


class SingleHome:
    """One client, and never another."""

    port = None

    def __init__(self, client: Client) -> None:
        self.client = client

    async def changed(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    async def follow(self) -> None:
        """Nothing to do."""


def as_home(opened: Home | Client) -> Home:
    """What a factory gave, as a home."""
    return SingleHome(opened) if isinstance(opened, Client) else opened
