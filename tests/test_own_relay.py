from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from simplex_calls import own_relay
from simplex_calls.bridge.shell import RelayMode
from simplex_calls.keys import ProfileError
from simplex_calls.own_relay import OwnRelay, network_hosts
from simplex_calls.relay import RelayError
from simplex_calls.smp.address import ServerAddress

LAN = "127.0.0.2"
"""Stands for an address in a network: any of 127/8 can be listened on."""


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_relay, "network_hosts", lambda: (LAN,))


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_it_runs_when_it_is_wanted(tmp_path: Path, port: int) -> None:
    relay = OwnRelay(tmp_path / "relay", port)
    await relay.start()
    state = relay.state()
    assert (state.mode, state.address, state.hosts) == (RelayMode.OFF, None, (LAN,))
    assert not (tmp_path / "relay").exists()
    await relay.set(RelayMode.MACHINE, None)
    address = relay.state().address
    assert address is not None
    assert address.endswith(f"@127.0.0.1:{port}")
    await relay.stop()

    again = OwnRelay(tmp_path / "relay", port)
    await again.start()
    assert again.state().address == address
    await again.set(RelayMode.LAN, LAN)
    lan = ServerAddress.parse(again.state().address or "")
    assert (lan.hosts, lan.fingerprint) == ((LAN,), ServerAddress.parse(address).fingerprint)
    await again.set(RelayMode.OFF, None)
    assert again.state().address is None
    assert stat.S_IMODE((tmp_path / "relay/wanted.json").stat().st_mode) == 0o600
    await again.stop()


async def test_an_address_that_is_not_ours_changes_nothing(tmp_path: Path, port: int) -> None:
    relay = OwnRelay(tmp_path, port)
    await relay.set(RelayMode.MACHINE, None)
    before = relay.state()
    for host in ("192.0.2.1", None):
        with pytest.raises(ProfileError, match="does not have that address"):
            await relay.set(RelayMode.LAN, host)
    assert relay.state() == before
    await relay.stop()


async def test_in_another_network_it_serves_this_machine(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = OwnRelay(tmp_path, port)
    await relay.set(RelayMode.LAN, LAN)
    await relay.stop()
    monkeypatch.setattr(own_relay, "network_hosts", lambda: ())
    await relay.start()
    state = relay.state()
    assert (state.mode, state.host) == (RelayMode.LAN, LAN)
    assert (state.address or "").endswith(f"@127.0.0.1:{port}")
    await relay.stop()


async def test_older_versions_ran_it_without_being_asked(tmp_path: Path, port: int) -> None:
    relay = OwnRelay(tmp_path, port)
    await relay.set(RelayMode.MACHINE, None)
    await relay.stop()
    for content in (None, "nonsense", "[]", json.dumps({"mode": "x", "host": None})):
        (tmp_path / "wanted.json").unlink(missing_ok=True)
        if content is not None:
            (tmp_path / "wanted.json").write_text(content)
        await relay.start()
        assert relay.state().mode is RelayMode.MACHINE
        await relay.stop()


async def test_it_takes_another_port_where_its_own_is_taken(tmp_path: Path, port: int) -> None:
    relay = OwnRelay(tmp_path, port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        await relay.set(RelayMode.MACHINE, None)
        address = relay.state().address or ""
        assert not address.endswith(f":{port}")
        await relay.stop()
    # contacts know it by its address: it stays
    await relay.start()
    assert relay.state().address == address
    await relay.stop()


async def test_a_known_relay_keeps_its_port(tmp_path: Path, port: int) -> None:
    relay = OwnRelay(tmp_path, port)
    await relay.set(RelayMode.MACHINE, None)
    await relay.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(RelayError, match=str(port)):
            await relay.start()
    assert not (tmp_path / "port").exists()
    await relay.start()
    await relay.stop()


def test_the_addresses_of_this_machine() -> None:
    for host in network_hosts():
        assert not host.startswith("127.")
        socket.inet_aton(host)


@pytest.mark.parametrize("damage", ["", "[" * 100_000, "[]", '{"mode": 7}'])
async def test_damaged_notes_start_it_as_if_there_were_none(tmp_path: Path, port: int, damage: str) -> None:
    (tmp_path / own_relay.WISH_FILE).write_text(damage)
    (tmp_path / "port").write_text("99999999")
    relay = OwnRelay(tmp_path, port=port)
    await relay.start()
    try:
        assert relay.state().mode is RelayMode.OFF
        await relay.set(RelayMode.MACHINE, None)
        assert ServerAddress.parse(relay.state().address or "").port == port
    finally:
        await relay.stop()
