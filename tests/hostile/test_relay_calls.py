"""Attacks of a relay on a queue of its own; calls with a contact on another relay, and a restart, amid them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from simplex_calls.chat.contacts import ContactStatus
from simplex_calls.smp.commands import Ack, Sub
from simplex_calls.smp.errors import ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Deld, End, Err, Msg
from tests.hostile.relay import (
    Asked,
    Down,
    Gathering,
    Line,
    Said,
    attacked,
    gathering,
    pass_down,
    queue_ids,
    unharmed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gathering]:
    async with gathering(tmp_path_factory.mktemp("relay")) as gathered:
        yield gathered


@pytest_asyncio.fixture(loop_scope="module")
async def met(people: Gathering, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Gathering]:
    async with unharmed(people, caplog) as unharmed_people:
        yield unharmed_people


class Flood:
    """After each answer comes a block full of messages in our queue that nobody sent."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.acknowledged = 0

    def up(self, _: Line, asked: Asked) -> Iterable[Asked]:
        self.acknowledged += isinstance(asked.command, Ack)
        return (asked,)

    def down(self, line: Line, said: Said) -> Iterable[Said]:
        ids = queue_ids(line)
        if not ids or self.rounds == 0:
            return (said,)
        self.rounds -= 1
        return (said, *(Said(b"", ids[0], Msg(os.urandom(24), os.urandom(30))) for _ in range(200)))


async def test_a_flood_in_our_own_queue(met: Gathering) -> None:
    """For each ACK of ours one message is looked at, not hundreds."""
    before = sum(met.notices().values())
    flood = Flood(10)
    await attacked(met, up=flood.up, down=flood.down)
    refused = sum(met.notices().values()) - before
    # one is in hand when a connection ends, and one may wait behind it
    assert 0 < refused <= flood.acknowledged + 2 * met.relay.connections
    assert refused < 200


def silent(_: Line, __: Said) -> Iterable[Said]:
    return ()


def garbage(_: Line, said: Said) -> Iterable[Said]:
    huge = b"\xff\xff" * 50
    return [
        Said(corr_id, said.entity_id, word + huge)
        for word in (
            b"MSG ",
            b"IDS ",
            b"LNK ",
            b"NID ",
            b"ERR ",
            b"INFO ",
            b"SOKS ",
            b"PKEY ",
            b"PRES ",
            b"RRES ",
            b"\xff",
        )
        for corr_id in (said.corr_id, b"")
    ] + [said]


def endless_ends(line: Line, said: Said) -> Iterable[Said]:
    """For queues that there are not; those of the contact on the other relay are among them by their number."""
    return (said, *(Said(b"", os.urandom(24), End()) for _ in range(255)))


def closing(line: Line, _: Said) -> Iterable[Said]:
    line.close()
    return ()


ATTACKS: dict[str, Down] = {
    "silent": silent,
    "huge claimed sizes": garbage,
    "a block full of ENDs": endless_ends,
    "closing after each command": closing,
    "a flood": lambda line, said: Flood(1).down(line, said),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_calls_meanwhile(met: Gathering, attack: Down) -> None:
    """A contact on another relay is called, and calls."""
    met.relay.down = attack
    started = asyncio.ensure_future(met.relay.misbehaves())
    met.relay.cut()
    met.say("carol", "alice")
    met.say("alice", "carol")
    await started
    await met.bob_calls()
    met.relay.repent()
    await met.reaches("carol", "alice")
    await met.reaches("alice", "carol")


async def test_replays_after_a_restart(met: Gathering) -> None:
    """What was read before the program ended is recognised by the program that comes after it."""
    old: list[Said] = []

    def recorded(_: Line, said: Said) -> Iterable[Said]:
        if isinstance(said.message, Msg):
            old.append(Said(b"", said.entity_id, said.message))
        return (said,)

    met.relay.down = recorded
    met.relay.cut()
    for _ in range(3):
        await met.reaches("carol", "alice")
    texts, notices = met.texts("alice", "carol"), met.notices()
    await met.restart_alice()
    waiting = list(old)

    def replayed(_: Line, said: Said) -> Iterable[Said]:
        if isinstance(said.message, Msg) or not waiting:
            return (said,)
        return (said, waiting.pop(0))

    met.relay.down = replayed
    done = asyncio.ensure_future(met.relay.misbehaves(3))
    met.relay.cut()
    await done
    await met.bob_calls()
    met.relay.repent()
    words = met.say("carol", "alice")
    await met.alice.until(lambda: met.texts("alice", "carol") == [*texts, words])
    assert met.notices() == notices


async def test_a_false_end(met: Gathering) -> None:
    """It is told; nothing more is asked of this queue until the program starts again, and then all is there."""
    ended = False

    def down(line: Line, said: Said) -> Iterable[Said]:
        nonlocal ended
        ids = queue_ids(line)
        if ended or not ids or said.asked is None or not isinstance(said.asked.command, Sub):
            return (said,)
        ended = True
        return (said, Said(b"", ids[0], End()))

    texts = met.texts("alice", "carol")
    met.relay.down = down
    done = asyncio.ensure_future(met.relay.misbehaves())
    met.relay.cut()
    await done
    words = [met.say("carol", "alice")]
    await met.bob_calls()
    met.relay.down = pass_down
    await met.restart_alice()
    words.append(met.say("carol", "alice"))
    await met.alice.until(lambda: met.texts("alice", "carol") == [*texts, *words])
    await met.reaches("alice", "carol")


GONE: dict[str, BrokerMessage] = {"DELD": Deld(), "AUTH": Err(ServerError(ErrorCode.AUTH))}


@pytest.mark.parametrize("false", GONE.values(), ids=GONE)
async def test_a_queue_said_to_be_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture, false: BrokerMessage) -> None:
    """The contact is told to be lost; what was said with them stays, and so does everybody else."""
    async with gathering(tmp_path) as fresh, unharmed(fresh, caplog) as met:
        await met.reaches("carol", "alice")
        texts = met.texts("alice", "carol")

        def down(_: Line, said: Said) -> Iterable[Said]:
            if said.asked is None or not isinstance(said.asked.command, Sub):
                return (said,)
            if isinstance(false, Err):
                return (Said(said.corr_id, said.entity_id, false),)
            return (said, Said(b"", said.entity_id, false))

        met.relay.down = down
        met.relay.cut()
        carol_id = met.ids["alice", "carol"]
        await met.alice.until(lambda: met.alice.client.contact(carol_id).status is ContactStatus.FAILED)
        assert met.texts("alice", "carol") == texts
        assert met.alice.client.contact(met.ids["alice", "bob"]).status is ContactStatus.CONNECTED
        await met.bob_calls()
