from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from simplex_calls.local_relay import local_relay
from simplex_calls.relay import RelayError
from simplex_calls.smp.address import ServerAddress


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def accepts(address: str) -> bool:
    parsed = ServerAddress.parse(address)
    try:
        _, writer = await asyncio.open_connection(parsed.hosts[0], parsed.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_profiles_share_one_relay_and_the_next_takes_over(tmp_path: Path) -> None:
    folder, port = tmp_path / "relay", free_port()
    first = local_relay(folder, port)
    address = await first.__aenter__()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert await accepts(address)
    async with local_relay(folder, port, retry_seconds=0.01) as same:
        assert same == address
        await first.__aexit__(None, None, None)
        async with asyncio.timeout(10):
            while not await accepts(address):
                await asyncio.sleep(0.01)
    assert not await accepts(address)
    async with local_relay(folder, port) as again:
        assert again == address


async def test_a_taken_port_is_told_and_leaves_nothing_held(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RelayError, match="port"):
            async with local_relay(tmp_path / "relay", taken.getsockname()[1]):
                pass
    # the one that failed does not hold the lock: it would not let this one run the relay
    async with local_relay(tmp_path / "relay", free_port()) as address:
        assert await accepts(address)


async def test_a_relay_for_the_network_serves_this_machine_too(tmp_path: Path) -> None:
    port = free_port()
    async with local_relay(tmp_path, port, "127.0.0.2") as address:
        parsed = ServerAddress.parse(address)
        assert (parsed.hosts, parsed.port) == (("127.0.0.2",), port)
        assert await accepts(address)
        assert await accepts(address.replace("127.0.0.2", "127.0.0.1"))
