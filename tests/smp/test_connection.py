from __future__ import annotations

import asyncio

import pytest

from simplex_calls.smp.connection import connect_in_memory
from simplex_calls.smp.errors import NetworkError
from simplex_calls.smp.transmission import BLOCK_SIZE

BLOCK = bytes(BLOCK_SIZE)


async def test_blocks_go_both_ways() -> None:
    client, server = connect_in_memory(b"id")
    assert client.session_id == server.session_id == b"id"
    assert client.alpn == "smp/1"
    client.write_block(BLOCK)
    server.write_block(BLOCK[:-1] + b"s")
    assert await server.read_block() == BLOCK
    assert (await client.read_block())[-1:] == b"s"
    with pytest.raises(ValueError, match="16384"):
        client.write_block(b"short")


async def test_what_was_sent_before_closing_arrives() -> None:
    client, server = connect_in_memory(b"id")
    server.write_block(BLOCK)
    server.close()
    server.close()
    client.write_block(BLOCK)
    assert await client.read_block() == BLOCK
    for end in (client, server, client):
        with pytest.raises(NetworkError):
            await end.read_block()
    with pytest.raises(NetworkError):
        await client.drain()
    await client.wait_closed()


async def test_a_waiting_reader_learns_of_the_end() -> None:
    client, server = connect_in_memory(b"id")
    readers = [asyncio.create_task(end.read_block()) for end in (client, server)]
    await asyncio.sleep(0)
    client.close()
    for reader in readers:
        with pytest.raises(NetworkError):
            await reader


async def test_a_writer_waits_for_a_slow_reader() -> None:
    client, server = connect_in_memory(b"id")
    for _ in range(64):
        client.write_block(BLOCK)
    drained = asyncio.create_task(client.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    await server.read_block()
    await drained
    client.write_block(BLOCK)
    blocked = asyncio.create_task(client.drain())
    await asyncio.sleep(0)
    server.close()
    with pytest.raises(NetworkError):
        await blocked
