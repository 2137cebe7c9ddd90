"""A profile's file that is damaged, full, taken, protected, of another age: told in words, and nothing crashes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from simplex_calls import database
from simplex_calls.client import Client, ClientError, DatabaseKey, Settings, TextDetails
from simplex_calls.database import Database, StorageFault
from simplex_calls.events import ContactConnected, ItemUpdated, MessageReceived, StorageFailed
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.sqlcipher import PAGE_SIZE

KEY = DatabaseKey(bytes(range(32)))
OLD = "of old " * 60

_E = TypeVar("_E")


def client(folder: Path, servers: list[str], name: str | None = None) -> Client:
    return Client(folder, name, servers, key=KEY, settings=Settings(ice_servers=()))


@pytest.fixture(scope="module")
def two_profiles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Alice and Bob, who have written to each other, and the port of their relay, whose data lies beside them."""
    folder = tmp_path_factory.mktemp("profiles")

    async def fill() -> int:
        async with Relay(RelayConfig(port=0, data=folder / "relay")) as relay:
            servers = [relay.address.uri()]
            async with (
                client(folder / "alice", servers, "Alice") as alice,
                client(folder / "bob", servers, "Bob") as bob,
            ):
                events = alice.events()
                await bob.connect(await alice.create_invitation())
                await alice.create_address()
                async for event in events:
                    if isinstance(event, ContactConnected):
                        break
                for number in range(12):
                    bob.send_text(bob.contacts()[0].id, f"{number} {OLD}")
                    alice.send_text(alice.contacts()[0].id, f"{number} {OLD}")
                received = 0
                async for event in events:
                    received += isinstance(event, MessageReceived)
                    if received == 12:
                        break
                await alice.create_invitation()
            return relay.address.port or 0

    return folder, asyncio.run(fill())


async def next_event(alice: Client, kind: type[_E], is_meant: Callable[[_E], bool] = lambda _: True) -> _E:
    async with asyncio.timeout(20):
        async for event in alice.events():
            if isinstance(event, kind) and is_meant(event):
                return event
    raise AssertionError(kind)


def flip(path: Path, page: int) -> None:
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE_SIZE + 700] ^= 1
    path.write_bytes(content)


async def everything(alice: Client) -> list[str]:
    """Ask for all that a client can be asked for without another person: what was refused."""
    refused: list[str] = []

    async def attempt(act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            result = act(*arguments, **options)
            return await result if isinstance(result, Awaitable) else result
        except ClientError as error:
            refused.append(error.message_id)
            return None

    reads: tuple[Callable[..., object], ...] = (
        *(alice.history, alice.details, alice.contact, alice.invitation_link, alice.mark_read, alice.synchronize),
        *(alice.call_route, alice.confirm_ip_exposure),
    )
    for contact in await attempt(alice.contacts) or []:
        for read in reads:
            await attempt(read, contact.id)
        await attempt(alice.send_text, contact.id, "new")
        await attempt(alice.set_calls_allowed, contact.id, allowed=False)
        await attempt(alice.start_call, contact.id, "audio")
    for look in (alice.address, alice.contact_requests, alice.servers, alice.calls):
        await attempt(look)
    await attempt(lambda: alice.profile)
    await attempt(alice.set_profile, "Alice the second")
    await attempt(alice.set_ice_settings, alice.ice_settings)
    await attempt(alice.set_network_settings, alice.network_settings)
    await attempt(alice.create_invitation)
    await attempt(alice.delete_address)
    for contact in (await attempt(alice.contacts) or [])[:1]:
        await attempt(alice.clear_history, contact.id)
        await attempt(alice.delete_contact, contact.id)
    return refused


async def test_a_damaged_page_is_told_whatever_reads_it(
    two_profiles: tuple[Path, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, port = two_profiles
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    pages = (folder / "alice/profile.db").stat().st_size // PAGE_SIZE
    assert pages > 30
    seen = set()
    shutil.copytree(folder / "relay", tmp_path / "relay")
    async with Relay(RelayConfig(port=port, data=tmp_path / "relay")) as relay:
        for page in range(2, pages + 1, 5):
            shutil.copytree(folder / "alice", tmp_path / "alice")
            flip(tmp_path / "alice/profile.db", page)
            alice = client(tmp_path / "alice", [relay.address.uri()])
            try:
                async with alice:
                    # all of a small profile was looked at
                    assert "damaged" in alice.storage_problem
                    refused = await everything(alice)
            except ClientError as error:
                refused = [error.message_id]
            seen |= set(refused)
            shutil.rmtree(tmp_path / "alice")
    assert "client.error.storage.damaged" in seen
    assert faults == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_damage_that_is_met_while_receiving_is_told(
    two_profiles: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as in a profile that is larger than what is looked at
    monkeypatch.setattr(database, "_PAGES_LOOKED_AT", 1)
    folder, port = two_profiles
    for name in ("alice", "bob", "relay"):
        shutil.copytree(folder / name, tmp_path / name)
    path = tmp_path / "alice/profile.db"
    with closing(Database(path, key=KEY)) as profile:
        root = profile.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chat_items'").fetchone()[0]
    async with Relay(RelayConfig(port=port, data=tmp_path / "relay")) as relay:
        async with client(tmp_path / "bob", [relay.address.uri()]) as bob:
            item = bob.send_text(bob.contacts()[0].id, "read me")
            # until it is on the relay; receipts go before
            await next_event(bob, ItemUpdated, lambda event: event.item.id == item.id)
            flip(path, root)
            async with client(tmp_path / "alice", [relay.address.uri()]) as alice:
                assert alice.storage_problem == ""
                failure = await next_event(alice, StorageFailed)
                assert failure.fault is StorageFault.DAMAGED
                assert "restore the profile from a backup" in failure.text
                assert alice.storage_problem == failure.text
    # the message is on its server still: a backup that is restored has it
    shutil.rmtree(tmp_path / "alice")
    shutil.copytree(folder / "alice", tmp_path / "alice")
    async with Relay(RelayConfig(port=port, data=tmp_path / "relay")) as relay:
        async with client(tmp_path / "alice", [relay.address.uri()]) as alice:
            received = await next_event(alice, MessageReceived)
            assert received.item.details == TextDetails("read me")
