from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import New, Sub
from simplex_calls.smp.errors import BrokerError, ErrorCode, NetworkError, ServerError
from simplex_calls.smp.messages import Err, Ids, Ok
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, RecipientQueue
from simplex_calls.smp.server_link import OneOfMany
from tests.smp.server import Ear, ScriptedServer, ServerEnd, Sleeper
from tests.smp.socks_server import SocksServer

AUTH = Ed25519PrivateKey.generate()
DH = X25519PrivateKey.generate().public
SENDER = X25519PrivateKey.generate()


def start(call: Awaitable[Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(call)


async def answer(end: ServerEnd) -> object:
    transmission, command = await end.receive()
    end.answer(transmission, Ok())
    return command


async def test_every_queue_has_a_connection_and_credentials_of_its_own() -> None:
    scripted, ear, sleeper = ScriptedServer(), Ear(), Sleeper()
    async with scripted.listening() as address:
        socks = SocksServer(address.effective_port)
        async with socks.listening() as proxy:
            network = Network(handler=ear, sleep=sleeper, config=NetworkConfig(socks_proxy=proxy))
            queues = [RecipientQueue(address, name, AUTH) for name in (b"one", b"two")]
            ends = []
            for number, queue in enumerate(queues):
                network.subscribe(queue)
                ends.append(await scripted.accept())
                assert await answer(ends[-1]) == Sub()
                await ear.until("subscribed", number + 1)

            # a new queue stays on the connection that made it
            task = start(network.create_queue(address, AUTH, DH))
            end = await scripted.accept()
            transmission, command = await end.receive()
            assert isinstance(command, New)
            end.send((transmission.corr_id, b"", Ids(b"rid", b"sid", DH, command.mode)))
            assert (await task).recipient_id == b"rid"
            task = start(network.suspend_queue(RecipientQueue(address, b"rid", AUTH)))
            await answer(end)
            await task
            # as a sender we are somebody else, to each of the queues
            for name in (b"sid", b"other"):
                task = start(network.send(address, name, SENDER, b"", notify=False))
                await answer(await scripted.accept())
                await task
            usernames = [username for _, _, username in socks.asked]
            assert len(set(usernames)) == len(usernames) == 5
            assert None not in usernames

            # a deleted queue leaves no connection behind
            task = start(network.delete_queue(RecipientQueue(address, b"rid", AUTH)))
            await answer(end)
            await task
            try:
                await end.receive()
            except NetworkError:
                pass
            else:
                raise AssertionError

            # a lost connection is made again with the same credentials
            ends[0].close()
            await ear.until("disconnected")
            (await sleeper.pause())()
            assert await answer(await scripted.accept()) == Sub()
            await ear.until("subscribed", 4 - 1)
            assert socks.asked[-1][2] == usernames[0]

            # without isolation there is one connection for all, after a change of settings
            plain = replace(network.config, socks_proxy=replace(proxy, isolate=False))
            network.configure(plain)
            end = await scripted.accept()
            assert [await answer(end) for _ in queues] == [Sub(), Sub()]
            assert socks.asked[-1][2] is None
            network.configure(replace(plain, allow_direct=True))  # nothing that connections depend on
            task = start(network.ping(address))
            transmission, _ = await end.receive()
            end.answer(transmission, Ok(), entity_id=b"")
            await asyncio.wait([task])
            await network.close()


async def test_a_creation_that_fails_leaves_no_connection() -> None:
    scripted = ScriptedServer()
    async with scripted.listening() as address:
        socks = SocksServer(address.effective_port)
        async with socks.listening() as proxy:
            network = Network(handler=Ear(), config=NetworkConfig(socks_proxy=proxy))
            task = start(network.create_queue(address, AUTH, DH))
            end = await scripted.accept()
            transmission, _ = await end.receive()
            end.answer(transmission, Err(ServerError(ErrorCode.AUTH)))
            outcome = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(outcome[0], BrokerError)
            outcome = await asyncio.gather(start(end.receive()), return_exceptions=True)
            assert isinstance(outcome[0], NetworkError)
            await network.close()


class Link:
    def __init__(self, *, down: bool, queues: int) -> None:
        self.is_down = down
        self.queues = [None] * queues


def test_the_state_of_a_server_with_many_connections() -> None:
    ear = Ear()
    links: list[Any] = [Link(down=False, queues=1), Link(down=False, queues=0), Link(down=False, queues=1)]
    handler = OneOfMany(ear, lambda _: links)
    server = ServerAddress(("host",), None, bytes(32))
    handler.connected(server)
    links[1].is_down = True  # nothing is received on it
    handler.disconnected(server)
    assert ear.words() == ["connected"]
    links[0].is_down = links[2].is_down = True
    handler.disconnected(server)
    links[0].is_down = False
    handler.connected(server)  # the other is still down
    assert ear.words() == ["connected", "disconnected"]
    links[2].is_down = False
    handler.connected(server)
    assert ear.words() == ["connected", "disconnected", "connected"]
