"""Attacks of a relay on its client: what it answers, delivers, holds back; over live connections.

After each of them, the relay being honest again, what both sides said is there, once and in order; and all the while
the contact on the other relay is reached.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from simplex_calls.client_errors import ClientError
from simplex_calls.crypto import X25519PrivateKey
from simplex_calls.events import ContactConnected
from simplex_calls.smp.commands import Ack, Command, LinkData, QueueMode, Send, Sub
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import (
    BrokerMessage,
    Deld,
    End,
    Ends,
    Err,
    Ids,
    Info,
    Lnk,
    Msg,
    Nid,
    NMsg,
    Ok,
    Pong,
    PRes,
    RRes,
    Sok,
    Soks,
)
from tests.hostile.relay import (
    Asked,
    Gathering,
    Line,
    Said,
    Up,
    answers,
    attacked,
    deliveries,
    gathering,
    queue_ids,
    unharmed,
    with_message,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = X25519PrivateKey.generate().public


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gathering]:
    async with gathering(tmp_path_factory.mktemp("relay")) as gathered:
        yield gathered


@pytest_asyncio.fixture(loop_scope="module")
async def met(people: Gathering, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Gathering]:
    async with unharmed(people, caplog) as unharmed_people:
        yield unharmed_people


# answers


def wrong_correlation(_: Line, said: Said) -> Iterator[Said]:
    yield replace(said, corr_id=os.urandom(24))


def to_nobody(_: Line, said: Said) -> Iterator[Said]:
    yield replace(said, corr_id=b"")


def of_another_queue(line: Line, said: Said) -> Iterator[Said]:
    others = [one for one in queue_ids(line) if one != said.entity_id] or [os.urandom(24)]
    yield replace(said, entity_id=others[0])


def doubled(_: Line, said: Said) -> Iterator[Said]:
    yield from (said, said, said)


def held_for_one(line: Line, said: Said) -> Iterator[Said]:
    """Each answer comes after the next one."""
    line.held.append(said)
    if len(line.held) > 1:
        yield line.held.pop()
        yield line.held.pop()


def silent(_line: Line, _said: Said) -> Iterator[Said]:
    yield from ()


CHANGED: dict[str, Callable[[Line, Said], Iterable[Said]]] = {
    "wrong correlation id": wrong_correlation,
    "to nobody": to_nobody,
    "of another queue": of_another_queue,
    "doubled": doubled,
    "out of order": held_for_one,
    "missing": silent,
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
async def test_changed_answers(met: Gathering, change: Callable[[Line, Said], Iterable[Said]]) -> None:
    await attacked(met, down=answers(change))


WRONG: list[BrokerMessage | bytes] = [
    Ids(b"r" * 24, b"s" * 24, KEY, QueueMode.MESSAGING),
    Lnk(b"s" * 24, LinkData(b"fixed", b"user")),
    Nid(b"n" * 24, KEY),
    Info(b"{}"),
    Info(b"[" * 10_000),
    NMsg(b"n" * 24, b"data"),
    Soks(2**63 - 1),
    Ends(2**63 - 1),
    End(),
    Pong(),
    PRes(b"x" * 100),
    RRes(b"x" * 100),
    b"",
    b"WHAT",
    b"OK and more",
    b"MSG \xff",
    b"IDS " + b"\xff" * 300,
    b"ERR",
    b"ERR \xff\xfe",
    b"ERR NEVER HEARD OF",
    b"ERR CMD WHAT",
    os.urandom(1000),
    Msg(b"m" * 24, b"body"),  # the last, as it is an answer to SUB
]


async def test_answers_of_a_wrong_kind(met: Gathering) -> None:
    """Each kind of command gets each of them."""
    seen: dict[type[Command], int] = {}

    def change(_: Line, said: Said) -> Iterable[Said]:
        assert said.asked is not None
        kind = type(said.asked.command)
        seen[kind] = number = seen.get(kind, -1) + 1
        return (with_message(said, WRONG[number]),) if number < len(WRONG) else (said,)

    await attacked(met, down=answers(change), times=2 * len(WRONG))
    assert {Sub, Ack, Send} <= seen.keys()


def refuse(errors: Sequence[ServerError], *kinds: type[Command]) -> Up:
    """Refuse the first commands of each kind, with one error after the other; they are not carried out."""
    seen: dict[type[Command], int] = {}

    def refused(line: Line, asked: Asked) -> Iterable[Asked]:
        kind = type(asked.command)
        seen[kind] = number = seen.get(kind, -1) + 1
        if kind not in kinds or number >= len(errors):
            return (asked,)
        line.answer(asked, Err(errors[number]))
        return ()

    return refused


LASTING = (ErrorCode.AUTH, ErrorCode.BLOCKED)
ERRORS = [
    ServerError(code, None, "detail" if code in (ErrorCode.PROXY, ErrorCode.BLOCKED, ErrorCode.STORE) else "")
    for code in ErrorCode
    if code is not ErrorCode.CMD
] + [ServerError.cmd(fault) for fault in CommandFault]
NOTHING_THERE = (ServerError(ErrorCode.NO_MSG), ServerError.cmd(CommandFault.PROHIBITED))
"""To ACK this is as good as an answer, as there is nothing to acknowledge on a new connection."""


async def test_errors_to_subscriptions(met: Gathering) -> None:
    """What does not say that the queue is gone ends nothing."""
    errors = [error for error in ERRORS if error.code not in LASTING]
    await attacked(met, up=refuse(errors, Sub), times=len(errors))


async def test_errors_to_acknowledgements(met: Gathering) -> None:
    """Whatever they say."""
    errors = [error for error in ERRORS if error not in NOTHING_THERE]
    await attacked(met, up=refuse(errors, Ack), times=len(errors))


@pytest.mark.parametrize(
    "error", [ServerError(ErrorCode.BLOCK), ServerError(ErrorCode.SESSION), *NOTHING_THERE], ids=str
)
async def test_errors(met: Gathering, error: ServerError) -> None:
    """The same to all kinds of commands."""
    await attacked(met, up=refuse([error, error], Sub, Ack, Send), times=1)


async def test_a_queue_that_is_gone_to_acknowledgements_alone(met: Gathering) -> None:
    error = ServerError(ErrorCode.AUTH)
    await attacked(met, up=refuse([error, error], Ack), times=1)


# deliveries


def doubled_message(_: Line, said: Said, __: Msg) -> Iterable[Said]:
    return (said, said, replace(said, corr_id=b""))


def to_others(_: Line, said: Said, message: Msg) -> Iterable[Said]:
    """Of queues that there are not, and of one without an id."""
    strangers = [Said(b"", entity_id, message) for entity_id in (os.urandom(24), b"", b"\0" * 24)]
    return (*strangers, said, *strangers)


def after_false_ones(_: Line, said: Said, message: Msg) -> Iterable[Said]:
    """Before each message come others in its queue that nobody sent; their bodies are wrong in all ways."""
    flipped = bytes([message.body[0] ^ 1]) + message.body[1:]
    bodies = [b"", b"x", os.urandom(15), os.urandom(len(message.body)), flipped, message.body[:-1], message.body * 0]
    false = [Msg(os.urandom(24), body) for body in bodies]
    false += [Msg(message_id, message.body) for message_id in (b"", os.urandom(24), b"\0" * 24)]
    return (*(replace(said, corr_id=b"", message=one) for one in false), said)


def replaying() -> Callable[[Line, Said, Msg], Iterable[Said]]:
    old: list[Said] = []

    def replayed(_: Line, said: Said, __: Msg) -> Iterable[Said]:
        again = tuple(old)
        old.append(replace(said, corr_id=b""))
        return (*again, said, *again)

    return replayed


DELIVERED: dict[str, Callable[[], Callable[[Line, Said, Msg], Iterable[Said]]]] = {
    "doubled": lambda: doubled_message,
    "of other queues": lambda: to_others,
    "false": lambda: after_false_ones,
    "replayed": replaying,
    "missing": lambda: lambda _line, _said, _message: (),
}


@pytest.mark.parametrize("change", DELIVERED.values(), ids=DELIVERED)
async def test_changed_deliveries(
    met: Gathering, change: Callable[[], Callable[[Line, Said, Msg], Iterable[Said]]]
) -> None:
    await attacked(met, down=deliveries(change()), times=1)


async def said_through(met: Gathering, up: Up, count: int) -> list[str]:
    """Carol's texts, her commands being at the relay's mercy."""
    met.relay.victim, met.relay.up = "carol", up
    words = []
    for _ in range(count):
        words.append(met.say("carol", "alice"))
        await met.relay.misbehaves()
    met.relay.repent()
    words.append(met.say("carol", "alice"))
    await met.alice.until(lambda: words[-1] in met.texts("alice", "carol")[-count - 1 :])
    return words


async def test_messages_thrown_away(met: Gathering) -> None:
    """What the relay confirmed and threw away is told as a gap."""
    before = met.texts("alice", "carol"), met.notices()

    def swallowed(line: Line, asked: Asked) -> Iterable[Asked]:
        if not isinstance(asked.command, Send):
            return (asked,)
        line.answer(asked, Ok())
        return ()

    words = await said_through(met, swallowed, 3)
    assert met.texts("alice", "carol") == before[0] + words[-1:]
    assert met.notices() != before[1]


async def test_messages_in_another_order(met: Gathering) -> None:
    """Each arrives once, and that they do not follow one another is told."""
    before, notices = met.texts("alice", "carol"), met.notices()
    held: list[Asked] = []

    def reordered(line: Line, asked: Asked) -> Iterable[Asked]:
        if not isinstance(asked.command, Send):
            return (asked,)
        held.append(asked)
        if len(held) == 1:
            line.answer(asked, Ok())
            return ()
        return tuple(reversed(held))

    words = await said_through(met, reordered, 2)
    await met.alice.until(lambda: len(met.texts("alice", "carol")) == len(before) + 3)
    assert sorted(met.texts("alice", "carol")[len(before) :]) == sorted(words)
    assert met.notices() != notices


# what nobody asked for


def of_strangers(met: Gathering, line: Line) -> list[Said]:
    """Events of queues that are not on this relay, those of the other contact's among them."""
    database = met.alice.client._opened()
    ids = [bytes(row[0]) for row in database.execute("SELECT recipient_id FROM rcv_queues").fetchall()]
    others = [one for one in ids if one not in queue_ids(line)]
    events: list[BrokerMessage | bytes] = [
        End(), Deld(), Ends(5), Ends(0), Soks(1), Ok(), Pong(), Sok(b"s"), Msg(b"i" * 24, b"body"),
        Err(ServerError(ErrorCode.AUTH)), Err(ServerError(ErrorCode.INTERNAL)), b"", b"WHAT", b"\xff" * 100,
        Ids(b"r", b"s", KEY), PRes(b""), Info(b"x"),
    ]  # fmt: skip
    return [Said(b"", entity_id, event) for entity_id in (*others, os.urandom(24), b"") for event in events]


def false_blocks(_: Gathering, line: Line) -> list[Said]:
    line.client.write_block(os.urandom(16_384))
    return []


def false_padding(_: Gathering, line: Line) -> list[Said]:
    cipher = line.session.cipher
    assert cipher is not None
    key, nonce = cipher._sending.step()
    line.client.write_block(key.seal(nonce, b"\xff\xff" + bytes(16_384 - 18)))
    return []


def false_batch(_: Gathering, line: Line) -> list[Said]:
    cipher = line.session.cipher
    assert cipher is not None
    line.client.write_block(cipher.seal(b"\xff" + b"\0\1x"))
    return []


def empty_batch(_: Gathering, line: Line) -> list[Said]:
    cipher = line.session.cipher
    assert cipher is not None
    line.client.write_block(cipher.seal(b"\0"))
    return []


UNASKED = [of_strangers, false_blocks, false_padding, false_batch, empty_batch]


@pytest.mark.parametrize("unasked", UNASKED)
async def test_what_nobody_asked_for(met: Gathering, unasked: Callable[[Gathering, Line], list[Said]]) -> None:
    """After every answer."""
    done = 0

    def down(line: Line, said: Said) -> Iterable[Said]:
        nonlocal done
        done += 1
        return (said, *unasked(met, line), said) if done <= 8 and queue_ids(line) else (said,)

    await attacked(met, down=down)


# links


def forged_links() -> list[Callable[[Lnk, Lnk], Lnk]]:
    """What a relay says is behind a link, from what is there and what is behind another one."""

    def flipped(data: bytes) -> bytes:
        return data[:100] + bytes([data[100] ^ 1]) + data[101:]

    return [
        lambda _, other: other,
        lambda right, other: Lnk(other.sender_id, right.data),
        lambda right, _: Lnk(b"", right.data),
        lambda right, other: Lnk(right.sender_id, LinkData(right.data.fixed, other.data.user)),
        lambda right, other: Lnk(right.sender_id, LinkData(other.data.fixed, right.data.user)),
        lambda right, _: Lnk(right.sender_id, LinkData(right.data.user, right.data.fixed[:2048])),
        lambda right, _: Lnk(right.sender_id, LinkData(flipped(right.data.fixed), right.data.user)),
        lambda right, _: Lnk(right.sender_id, LinkData(right.data.fixed, flipped(right.data.user))),
        lambda right, _: Lnk(right.sender_id, LinkData(right.data.fixed[:-1], right.data.user)),
        lambda right, _: Lnk(right.sender_id, LinkData(b"", b"")),
        lambda right, _: Lnk(right.sender_id, LinkData(os.urandom(255), os.urandom(15_500))),
    ]


@pytest.mark.parametrize("to_address", [False, True], ids=["invitation", "address"])
async def test_forged_links(met: Gathering, to_address: bool) -> None:
    """Nothing is believed of a link but what its maker signed; once the relay is honest the link works."""
    alice, carol = met.alice.client, met.carol.client
    links = [await carol.create_invitation(), await carol.create_invitation()]
    if to_address:
        links[0] = await carol.create_address()
    found: list[Lnk] = []
    forging: list[Callable[[Lnk, Lnk], Lnk]] = []

    def change(_: Line, said: Said) -> Iterable[Said]:
        if not isinstance(said.message, Lnk):
            return (said,)
        if not forging:
            found.append(said.message)
            return (said,)
        return (with_message(said, forging[0](said.message, found[0])),)

    contacts = [contact.id for contact in alice.contacts()]
    met.relay.down = change
    await alice.look_up_link(links[1])
    for forge in forged_links():
        forging[:] = [forge]
        for attempt in (alice.look_up_link, alice.connect):
            with pytest.raises(ClientError) as caught:
                await attempt(links[0])
            assert caught.value.message_id == "client.error.link.forged"
    assert [contact.id for contact in alice.contacts()] == contacts
    forging.clear()
    await alice.look_up_link(links[0])
    before = len(met.alice.of(ContactConnected))
    for number, link in enumerate(links[to_address:], 1):
        await alice.connect(link)
        await met.alice.until(lambda number=number: len(met.alice.of(ContactConnected)) >= before + number)  # type: ignore[misc]
    if to_address:
        asked = await alice.connect(links[0])
        await met.carol.until(carol.contact_requests)
        await carol.accept_request(carol.contact_requests()[0].id)
        await met.alice.until(lambda: asked.id in [event.contact.id for event in met.alice.of(ContactConnected)])
