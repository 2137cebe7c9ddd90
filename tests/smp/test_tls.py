from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import handshake
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import NetworkError, ServerIdentityError, VersionError
from simplex_calls.smp.handshake import SUPPORTED_VERSIONS, ServerHello
from simplex_calls.smp.tls import client_context, server_context, to_pem
from simplex_calls.smp.transmission import BLOCK_SIZE
from tests.smp.server import NOW, Identity, ScriptedServer


@pytest.mark.parametrize("kind", [ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey])
async def test_connection(kind: type[ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey]) -> None:
    server = ScriptedServer(Identity.make(kind))
    async with server.listening() as address:
        connection = await connect_tls(address)
        session = await handshake(connection, address.fingerprint, NOW)
        end = await server.accept()
        assert connection.alpn == "smp/1"
        assert connection.peer_chain == server.identity.chain
        assert end.connection.peer_chain == ()
        assert connection.session_id == end.connection.session_id == session.session_id
        assert len(connection.session_id) == 32  # as long as the hash of the cipher suite
        assert (session.version, session.cipher is not None) == (18, True)
        assert session.server_key == server.identity.session_key.public
        connection.write_block(b"x" * BLOCK_SIZE)
        await connection.drain()
        assert await end.connection.read_block() == b"x" * BLOCK_SIZE
        with pytest.raises(ValueError, match="16384"):
            connection.write_block(b"short")
        end.close()
        with pytest.raises(NetworkError):
            await connection.read_block()
        connection.close()
        connection.write_block(bytes(BLOCK_SIZE))
        await connection.wait_closed()


async def test_every_connection_has_its_own_session() -> None:
    server = ScriptedServer()
    async with server.listening() as address:
        connections = [await connect_tls(address) for _ in range(3)]
        assert len({connection.session_id for connection in connections}) == 3
        for connection in connections:
            connection.close()
            await connection.wait_closed()


async def test_wrong_fingerprint() -> None:
    server = ScriptedServer()
    async with server.listening() as address:
        connection = await connect_tls(address)
        with pytest.raises(ServerIdentityError, match="address"):
            await handshake(connection, bytes(32), NOW)
        connection.close()
        await connection.wait_closed()


async def test_a_man_in_the_middle_shows_the_right_chain() -> None:
    """Somebody with keys of its own in TLS passes on the hello of the true server, with this session's id."""
    true = ScriptedServer()
    between = ScriptedServer()
    between.change_hello = lambda hello: replace(hello, server_key=true.identity.signed_key())
    async with between.listening() as address:
        connection = await connect_tls(address)
        with pytest.raises(ServerIdentityError, match="TLS proved"):
            await handshake(connection, true.identity.fingerprint, NOW)
        connection.close()
        await connection.wait_closed()


def _other_session_key(hello: ServerHello) -> ServerHello:
    assert hello.server_key is not None
    other = Identity.make().signed_key()
    return replace(hello, server_key=replace(hello.server_key, signed_key=other.signed_key))


async def test_handshakes_that_are_refused() -> None:
    server = ScriptedServer()
    for change, error, text in (
        (lambda hello: replace(hello, session_id=bytes(32)), ServerIdentityError, "another connection"),
        (lambda hello: replace(hello, server_key=None), ServerIdentityError, "certificates"),
        (_other_session_key, ServerIdentityError, "session key"),
        (lambda hello: replace(hello, versions=VersionRange(19, 20)), VersionError, "19-20"),
        (lambda hello: replace(hello, versions=VersionRange(4, 5)), VersionError, "4-5"),
    ):
        server.change_hello = change
        connection = await server.connect(server.address)
        with pytest.raises(error, match=text):
            await handshake(connection, server.address.fingerprint, NOW)
        connection.close()
    assert VersionRange(6, 18) == SUPPORTED_VERSIONS


async def test_nobody_there() -> None:
    for hosts in (("127.0.0.1",), ("x" * 70, "127.0.0.1")):
        server = ScriptedServer()
        async with server.listening() as address:
            pass
        with pytest.raises(NetworkError, match="not reached"):
            await connect_tls(ServerAddress(hosts, address.port, address.fingerprint))
    with pytest.raises(NetworkError, match="Tor"):
        await connect_tls(ServerAddress(("a.onion",), None, bytes(32)))


async def test_a_server_that_speaks_no_tls() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NetworkError, match="does not speak TLS"):
            await connect_tls(ServerAddress(("127.0.0.1",), port, bytes(32)))


def test_contexts() -> None:
    identity = Identity.make()
    for context in (client_context(), identity.context()):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        server_context(to_pem(identity.chain), b"no key")
