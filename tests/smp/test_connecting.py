from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.connecting import TLSConnector, first_of, usable_hosts
from simplex_calls.smp.errors import AddressError, NetworkError
from simplex_calls.smp.socks import Credentials, SocksProxy
from simplex_calls.smp.tls import TLSConnection
from tests.smp.server import ScriptedServer, Sleeper
from tests.smp.socks_server import SocksServer

ONION = "a" * 56 + ".onion"


def server(*hosts: str) -> ServerAddress:
    return ServerAddress(hosts, 5223, bytes(32))


def test_hosts_and_their_order() -> None:
    both = server("one.example", ONION, "two.example")
    assert usable_hosts(both, by_proxy=False) == ["one.example", "two.example"]
    assert usable_hosts(both, by_proxy=True) == [ONION, "one.example", "two.example"]
    assert usable_hosts(both, by_proxy=True, prefer_onion=False) == ["one.example", "two.example", ONION]
    assert usable_hosts(server(ONION), by_proxy=False) == []


async def test_an_onion_host_without_a_proxy() -> None:
    with pytest.raises(NetworkError, match="Tor"):
        await TLSConnector()(server(ONION))


class Line:
    """A connection that is only opened and closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Attempts:
    """Hosts that a test answers for."""

    def __init__(self, count: int) -> None:
        self.started: list[int] = []
        self.answers: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(count)]
        self.sleeper = Sleeper()

    def run(self) -> asyncio.Task[TLSConnection]:
        def attempt(number: int) -> Callable[[], Awaitable[TLSConnection]]:
            async def connect() -> TLSConnection:
                self.started.append(number)
                return cast("TLSConnection", await self.answers[number])

            return connect

        attempts = [attempt(number) for number in range(len(self.answers))]
        return asyncio.get_running_loop().create_task(first_of(attempts, 2.0, sleep=self.sleeper))


async def test_a_silent_host_does_not_use_up_the_time() -> None:
    attempts = Attempts(3)
    task = attempts.run()
    (await attempts.sleeper.pause())()
    end_pause = await attempts.sleeper.pause()
    assert attempts.started == [0, 1]
    line = Line()
    attempts.answers[1].set_result(line)
    assert await task is cast("Any", line)
    end_pause()
    await asyncio.sleep(0)
    assert attempts.started == [0, 1]
    assert attempts.answers[0].cancelled()


async def test_the_first_host_may_still_answer() -> None:
    attempts = Attempts(2)
    task = attempts.run()
    (await attempts.sleeper.pause())()
    while len(attempts.started) < 2:
        await asyncio.sleep(0)
    late, first = Line(), Line()
    attempts.answers[0].set_result(first)
    attempts.answers[1].set_result(late)  # both at once: one is taken, the other closed
    taken = await task
    for _ in range(5):
        await asyncio.sleep(0)
    assert (first.closed, late.closed) in ((False, True), (True, False))
    assert not cast("Any", taken).closed


async def test_a_host_that_fails_is_followed_at_once() -> None:
    attempts = Attempts(2)
    task = attempts.run()
    await attempts.sleeper.pause()
    attempts.answers[0].set_exception(NetworkError("refused"))
    line = Line()
    attempts.answers[1].set_result(line)
    assert await task is cast("Any", line)


async def test_no_host_answers() -> None:
    attempts = Attempts(2)
    task = attempts.run()
    attempts.answers[0].set_exception(NetworkError("one"))
    attempts.answers[1].set_exception(NetworkError("two"))
    with pytest.raises(NetworkError, match="two"):
        await task
    with pytest.raises(NetworkError):
        await first_of([], 1.0)


async def test_a_fault_is_not_hidden() -> None:
    attempts = Attempts(2)
    task = attempts.run()
    attempts.answers[0].set_exception(ssl.CertificateError("?"))
    with pytest.raises(ssl.CertificateError):
        await task


async def test_giving_up() -> None:
    attempts = Attempts(2)
    task = attempts.run()
    end_pause = await attempts.sleeper.pause()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end_pause()
    await asyncio.sleep(0)
    assert attempts.started == [0]
    assert attempts.answers[0].cancelled()


@pytest.mark.parametrize(
    ("text", "host", "port", "username"),
    [
        ("localhost:9150", "localhost", 9150, None),
        (" 10.0.0.1 ", "10.0.0.1", 9050, None),
        (":9051", "127.0.0.1", 9051, None),
        ("[::1]:9050", "::1", 9050, None),
        ("me:secret@proxy.example:1080", "proxy.example", 1080, "me"),
    ],
)
def test_proxy_addresses(text: str, host: str, port: int, username: str | None) -> None:
    proxy = SocksProxy.parse(text)
    assert (proxy.host, proxy.port, proxy.username) == (host, port, username)
    assert proxy.is_isolating == (username is None)
    assert "secret" not in repr(proxy) + str(proxy)
    assert SocksProxy.parse(str(proxy)).port == port


@pytest.mark.parametrize("text", ["", "http://x", "host:0", "host:99999", "me@host:1", "a b:1", "host:-1", "x:y:1"])
def test_proxy_addresses_that_are_none(text: str) -> None:
    with pytest.raises(AddressError):
        SocksProxy.parse(text)


@given(st.text(max_size=40))
def test_any_text_as_a_proxy_address(text: str) -> None:
    with contextlib.suppress(AddressError):
        SocksProxy.parse(text)


def test_credentials_are_not_shown() -> None:
    credentials = Credentials.make()
    assert credentials != Credentials.make()
    assert credentials.username not in repr(credentials) + repr(TLSConnector(SocksProxy(), credentials))


async def test_through_a_proxy() -> None:
    scripted = ScriptedServer()
    async with scripted.listening() as address:
        proxy_server = SocksServer(address.effective_port)
        async with proxy_server.listening() as proxy:
            there = ServerAddress(("example.org", ONION), 5223, bytes(32))
            mine = Credentials.make()
            connections = [await TLSConnector(proxy, credentials)(there) for credentials in (mine, None)]
            proxy_server.refused = {ONION}
            connections.append(await TLSConnector(proxy, mine)(there))
            for connection in connections:
                assert len(await connection.read_block()) == 16384
                connection.close()
                await connection.wait_closed()
            assert proxy_server.asked == [
                (ONION, 5223, mine.username),
                (ONION, 5223, None),
                (ONION, 5223, mine.username),
                ("example.org", 5223, mine.username),
            ]
            proxy_server.refused.add("example.org")
            with pytest.raises(NetworkError, match="did not reach"):
                await TLSConnector(proxy)(there)
    with pytest.raises(NetworkError, match="not reached"):
        await TLSConnector(proxy)(there)
