"""A relay that forwards to another one, seen from the client, and a destination that takes what is forwarded."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.crypto import BoxKey, X25519PrivateKey, cb_nonce
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.relay.proxy import ProxyLimits, reachable_from
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import Command, LGet, New, PFwd, Ping, Prxy, RFwd, Send, SKey, Sub
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Ok, PKey, Pong, PRes
from simplex_calls.smp.proxied import ForwardedCommand, accept_destination, destination_id
from simplex_calls.smp.transmission import AuthorizationKey, Session
from tests.relay.blocks import BlockClient, LiveQueue
from tests.relay.peer import AUTH, Server, cmd

VERSIONS = [8, 9, 10, 11, 14, 15, 16, 17, 18]
NO_SESSION = Err(ServerError(ErrorCode.PROXY, detail="NO_SESSION"))


def proxy_error(detail: str) -> Err:
    return Err(ServerError(ErrorCode.PROXY, detail=detail))


async def destination(client: BlockClient, relay: Relay) -> tuple[PKey, Session]:
    key = await client.ask(Prxy(relay.address))
    assert isinstance(key, PKey), key
    return key, accept_destination(key, fingerprint=relay.address.fingerprint, now=dt.datetime.now(dt.UTC))


async def forward(
    client: BlockClient,
    session: Session,
    command: Command,
    entity_id: bytes = b"",
    key: AuthorizationKey | None = None,
) -> BrokerMessage:
    sealed = ForwardedCommand.seal(session, command, entity_id, key)
    answer = await client.ask(sealed.command, destination_id(session.session_id), corr_id=sealed.corr_id)
    return sealed.open(answer.encrypted) if isinstance(answer, PRes) else answer


@pytest.mark.parametrize("version", VERSIONS)
async def test_commands_go_through_a_proxy(version: int) -> None:
    async with Relay(RelayConfig(port=0)) as proxy, Relay(RelayConfig(port=0)) as relay:
        async with await BlockClient.over_tls(relay) as alice, await BlockClient.over_tls(proxy, version) as bob:
            queue = await LiveQueue.create(alice)
            key, session = await destination(bob, relay)
            assert (key.versions.minimum, key.versions.maximum) == (8, 17)
            sender_key = X25519PrivateKey.generate()
            assert await forward(bob, session, SKey(sender_key.public), queue.sender_id, sender_key) == Ok()
            assert await forward(bob, session, Send(b"unsigned"), queue.sender_id) == AUTH
            for body in (b"one", bytes(16048)):
                assert await forward(bob, session, Send(body), queue.sender_id, sender_key) == Ok()
            assert await queue.bodies(alice) == [b"one", bytes(16048)]
            assert await forward(bob, session, LGet(), b"no such link") == AUTH
            again, _ = await destination(bob, relay)
            assert again == key
            for prohibited in (Ping(), New(sender_key.public, sender_key.public)):
                authorization = sender_key if isinstance(prohibited, New) else None
                assert await forward(bob, session, prohibited, b"", authorization) == cmd(CommandFault.PROHIBITED)
            assert await forward(bob, session, Sub(), queue.recipient_id, queue.key) == cmd(CommandFault.PROHIBITED)


async def test_a_proxy_names_what_is_wrong() -> None:
    limits = ProxyLimits(retry_seconds=0)
    async with Relay(RelayConfig(port=0, proxy_limits=limits)) as proxy, await BlockClient.over_tls(proxy) as bob:
        async with Relay(RelayConfig(port=0)) as relay:
            address = relay.address
            _, session = await destination(bob, relay)
            wrong = ServerAddress(address.hosts, address.port, bytes(32))
            assert await bob.ask(Prxy(wrong)) == proxy_error("BROKER TRANSPORT HANDSHAKE BAD_AUTH")
            garbage = PFwd(17, X25519PrivateKey.generate().public, os.urandom(16242))
            answer = await bob.ask(garbage, destination_id(session.session_id))
            assert answer == proxy_error("PROTOCOL CRYPTO")
            assert await bob.ask(garbage, b"another session") == NO_SESSION
            assert await bob.ask(garbage) == cmd(CommandFault.NO_ENTITY)
        async with asyncio.timeout(5):
            while await bob.ask(garbage, destination_id(session.session_id)) != NO_SESSION:
                await asyncio.sleep(0)
        assert await bob.ask(Prxy(address)) == proxy_error("BROKER NETWORK")
        onion = ServerAddress(("abc.onion",), None, address.fingerprint)
        assert await bob.ask(Prxy(onion)) == proxy_error("BROKER HOST")


async def test_who_may_use_the_proxy() -> None:
    async with Relay(RelayConfig(port=0)) as relay:
        async with Relay(RelayConfig(port=0, password="sesame")) as proxy, await BlockClient.over_tls(proxy) as bob:
            for password in (None, "wrong"):
                assert await bob.ask(Prxy(relay.address, password)) == proxy_error("BASIC_AUTH")
            assert isinstance(await bob.ask(Prxy(relay.address, "sesame")), PKey)
        async with Relay(RelayConfig(port=0, forwards=False)) as off, await BlockClient.over_tls(off) as bob:
            assert await bob.ask(Prxy(relay.address)) == proxy_error("BASIC_AUTH")
            garbage = PFwd(17, X25519PrivateKey.generate().public, b"")
            assert await bob.ask(garbage, b"session") == NO_SESSION


async def test_a_proxy_on_the_internet_does_not_reach_behind_its_firewall() -> None:
    async with Relay(RelayConfig(port=0)) as relay:
        async with Relay(RelayConfig(host="0.0.0.0", port=0)) as proxy:
            here = ServerAddress(("127.0.0.1",), proxy.address.port, proxy.address.fingerprint)
            async with await BlockClient.to(here) as bob:
                for host in ("127.0.0.1", "localhost"):
                    address = ServerAddress((host,), relay.address.port, relay.address.fingerprint)
                    assert await bob.ask(Prxy(address)) == proxy_error("BROKER HOST")
        everywhere = RelayConfig(host="0.0.0.0", port=0, forwards_to_all=True)
        async with Relay(everywhere) as proxy:
            here = ServerAddress(("127.0.0.1",), proxy.address.port, proxy.address.fingerprint)
            async with await BlockClient.to(here) as bob:
                assert isinstance(await bob.ask(Prxy(relay.address)), PKey)


def test_what_may_be_reached() -> None:
    hosts = {
        "127.0.0.1": "loopback", "::1": "loopback", "192.168.1.4": "private", "fd00::1": "private",
        "169.254.169.254": "never", "fe80::1": "never", "fec0::1": "never", "224.0.0.1": "never", "0.0.0.0": "never",
        "::ffff:127.0.0.1": "loopback", "::ffff:192.168.1.4": "private", "2002:7f00:1::": "loopback",
        "8.8.8.8": "public", "2606:4700::1111": "public",
    }  # fmt: skip
    allowed = {
        "127.0.0.1": {"loopback", "private", "public", "never"},
        "localhost": {"loopback", "private", "public", "never"},
        "192.168.1.1": {"private", "public"},
        "0.0.0.0": {"public"},
        "::": {"public"},
        "8.8.4.4": {"public"},
        "smp.example.org": {"public"},
    }
    for own, kinds in allowed.items():
        may_reach = reachable_from(own)
        assert {host for host in hosts if may_reach(ipaddress.ip_address(host))} == {
            host for host, kind in hosts.items() if kind in kinds
        }, own


async def test_destinations_are_limited() -> None:
    limits = ProxyLimits(destinations=1, retry_seconds=0)
    now = time.time()
    async with Relay(RelayConfig(port=0, proxy_limits=limits), clock=lambda: now) as proxy:
        async with Relay(RelayConfig(port=0)) as one, Relay(RelayConfig(port=0)) as two:
            async with await BlockClient.over_tls(proxy) as bob:
                assert isinstance(await bob.ask(Prxy(one.address)), PKey)
                assert await bob.ask(Prxy(two.address)) == proxy_error("BROKER TIMEOUT")
                now += 100
                assert isinstance(await bob.ask(Prxy(two.address)), PKey)


async def test_a_client_has_its_share_of_destinations() -> None:
    limits = ProxyLimits(destinations=3, client_destinations=1, retry_seconds=0)
    now = time.time()
    async with Relay(RelayConfig(port=0, proxy_limits=limits), clock=lambda: now) as proxy:
        async with Relay(RelayConfig(port=0)) as one, Relay(RelayConfig(port=0)) as two:
            async with await BlockClient.over_tls(proxy) as bob, await BlockClient.over_tls(proxy) as carol:
                assert isinstance(await bob.ask(Prxy(one.address)), PKey)
                assert await bob.ask(Prxy(two.address)) == proxy_error("BROKER TIMEOUT")
                # what another one opened is free of charge
                assert isinstance(await carol.ask(Prxy(two.address)), PKey)
                assert isinstance(await bob.ask(Prxy(two.address)), PKey)
                now += 10
                async with Relay(RelayConfig(port=0)) as three:
                    # bob's first one makes room for it
                    assert isinstance(await bob.ask(Prxy(three.address)), PKey)
                assert proxy._proxy._opening == {}


async def test_a_client_waits_for_its_own_forwarded_commands_only() -> None:
    limits = ProxyLimits(commands=2)
    async with Relay(RelayConfig(port=0, proxy_limits=limits)) as proxy, Relay(RelayConfig(port=0)) as relay:
        async with await BlockClient.over_tls(proxy) as bob, await BlockClient.over_tls(relay) as alice:
            queue = await LiveQueue.create(alice)
            _, session = await destination(bob, relay)
            sealed = [ForwardedCommand.seal(session, Send(b"hello"), queue.sender_id, None) for _ in range(20)]
            bob.send(
                *(bob.encode(one.command, destination_id(session.session_id), corr_id=one.corr_id) for one in sealed)
            )
            by_corr_id = {one.corr_id: one for one in sealed}
            async with asyncio.timeout(10):
                for _ in sealed:
                    corr_id, _, answer = await bob.read()
                    assert isinstance(answer, PRes)
                    assert by_corr_id.pop(corr_id).open(answer.encrypted) == Ok()
            assert await queue.bodies(alice) == [b"hello"] * 20
            assert await bob.ask(Ping()) == Pong()


async def test_a_client_that_leaves_takes_nobody_along() -> None:
    async with Relay(RelayConfig(port=0)) as proxy, Relay(RelayConfig(port=0)) as relay:
        for _ in range(3):
            async with await BlockClient.over_tls(proxy) as bob:
                bob.send(bob.encode(Prxy(relay.address)))
        async with await BlockClient.over_tls(proxy) as bob:
            assert isinstance(await bob.ask(Prxy(relay.address)), PKey)


async def test_a_destination_that_is_no_smp_server() -> None:
    config = RelayConfig(port=0, proxy_limits=ProxyLimits(connect_seconds=0.3, retry_seconds=60))
    mute = socket.create_server(("127.0.0.1", 0))
    port = mute.getsockname()[1]
    async with Relay(config) as proxy, await BlockClient.over_tls(proxy) as bob:
        address = ServerAddress(("127.0.0.1",), port, bytes(32))
        assert await bob.ask(Prxy(address)) == proxy_error("BROKER NETWORK")
        mute.close()
        # not tried again for a while
        assert await bob.ask(Prxy(address)) == proxy_error("BROKER NETWORK")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_garbage_that_is_forwarded_is_answered(garbage: bytes, sealed: bool) -> None:
    server = Server()
    proxy = server.peer(17)
    nonce = os.urandom(24)
    if sealed:
        assert proxy.session.server_key is not None
        garbage = BoxKey.agree(proxy.client_key, proxy.session.server_key).seal(cb_nonce(nonce), garbage)
    answer = proxy.ask(RFwd(garbage), corr_id=nonce)
    assert answer in (Err(ServerError(ErrorCode.CRYPTO)), cmd(CommandFault.SYNTAX), Err(ServerError(ErrorCode.BLOCK)))


def test_only_clients_with_a_key_forward() -> None:
    server = Server()
    old = server.peer(6)
    assert old.ask(RFwd(b"")) == proxy_error("BROKER TRANSPORT NO_AUTH")
