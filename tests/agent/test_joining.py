"""Short invitations: looked at, joined again after a failure, used up; and peers and servers of all versions."""

from __future__ import annotations

import os

import pytest

from simplex_calls.agent.details import LinkKind, LinkPreview
from simplex_calls.agent.errors import LargeMessage, LinkUsed, UnknownConnection
from simplex_calls.agent.events import ConfirmationReceived, InfoReceived, QuantumResistanceChanged
from simplex_calls.agent.links import LinkError, LinkFault, parse_link
from simplex_calls.agent.own_links import USER_DATA_LIMIT
from simplex_calls.agent.short_link_uri import LinkServer, ShortLink
from simplex_calls.smp.commands import LinkData
from simplex_calls.smp.errors import SMPError
from tests.agent.fake_network import FakeServers
from tests.agent.peers import SERVER, Person, until


async def connected(alice: Person, bob: Person) -> None:
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
    alice.send(b"to bob")
    bob.send(b"to alice")
    await until(lambda: (alice.received, bob.received) == ([b"to alice"], [b"to bob"]))
    assert not alice.broken_chain
    assert not bob.broken_chain


async def test_a_short_link(alice: Person, bob: Person) -> None:
    link = await alice.invite(short=True)
    assert link.startswith("https://127.0.0.1/i#")
    assert str(alice.agent.connection_link(alice.contact)) == link
    await bob.join(link)
    await connected(alice, bob)
    # the KEM key is in the link's data, so it is on from the first message
    assert bob.agent.is_quantum_resistant(bob.contact)
    assert not any(isinstance(event, QuantumResistanceChanged) for event in (*alice.events, *bob.events))
    details = alice.agent.connection_details(alice.contact)
    assert details.is_quantum_resistant
    assert (details.agent_version, details.rcv_servers, details.snd_servers) == (7, (SERVER,), (SERVER,))
    assert alice.agent.security_code(alice.contact) == bob.agent.security_code(bob.contact)
    assert alice.agent.connection_link(alice.contact) is not None
    assert bob.agent.connection_link(bob.contact) is None
    with pytest.raises(UnknownConnection):
        bob.agent.connection_link(99)


async def test_the_full_link_of_a_short_one(alice: Person, bob: Person) -> None:
    link = await alice.invite()
    assert "kem_key" not in link
    assert alice.agent.connection_link(alice.contact).short is not None  # type: ignore[union-attr]
    await bob.join(link)
    await connected(alice, bob)
    assert alice.agent.is_quantum_resistant(alice.contact)


async def test_without_post_quantum(alice: Person, bob: Person) -> None:
    _, link = await alice.agent.create_connection(created=alice._add_contact, pq=False)
    await bob.join(str(link))
    await connected(alice, bob)
    assert not bob.agent.is_quantum_resistant(bob.contact)


async def test_looking_first(alice: Person, bob: Person) -> None:
    link = await alice.invite(short=True)
    preview = LinkPreview(LinkKind.INVITATION, b"alice", is_own=False, connection_id=None)
    assert await bob.agent.look_up_link(link) == preview
    await bob.restart()
    assert await bob.agent.look_up_link(f" {link}\n") == preview
    await bob.join(link)
    await connected(alice, bob)
    used = LinkPreview(LinkKind.INVITATION, None, is_own=False, connection_id=bob.contact)
    assert await bob.agent.look_up_link(link) == used
    full = alice.agent.connection_link(alice.contact).full  # type: ignore[union-attr]
    assert await bob.agent.look_up_link(full) == used
    for text in (link, full):
        with pytest.raises(LinkUsed, match="in your list"):
            await bob.join(text)
    assert not bob._rows("SELECT 1 FROM link_keys UNION ALL SELECT 1 FROM join_keys")


async def test_ones_own_link(alice: Person) -> None:
    link = await alice.invite(short=True)
    full = alice.agent.connection_link(alice.contact).full  # type: ignore[union-attr]
    before = len(alice.network.calls)
    for text, data in ((link, b"alice"), (full, None)):
        preview = LinkPreview(LinkKind.INVITATION, data, is_own=True, connection_id=alice.contact)
        assert await alice.agent.look_up_link(text) == preview
        with pytest.raises(LinkUsed, match="own link"):
            await alice.join(text)
    # it was not locked by that
    assert len(alice.network.calls) == before


async def test_who_looked_first_has_it(alice: Person, bob: Person, carol: Person) -> None:
    link = await alice.invite(short=True)
    await bob.agent.look_up_link(link)
    for _ in range(2):
        with pytest.raises(LinkUsed, match="ask for a new one"):
            await carol.agent.look_up_link(link)
        with pytest.raises(LinkUsed, match="ask for a new one"):
            await carol.join(link)
    full = alice.agent.connection_link(alice.contact).full  # type: ignore[union-attr]
    with pytest.raises(LinkUsed, match="ask for a new one"):
        await carol.join(full)
    # the same queue, the same key
    await bob.join(full)
    await connected(alice, bob)


async def test_lost_answers(alice: Person, bob: Person) -> None:
    link = await alice.invite(short=True)
    for _ in range(3):
        bob.faults.lose_answer = 1.0
        with pytest.raises(SMPError):
            await bob.agent.look_up_link(link)
        with pytest.raises(SMPError):
            await bob.join(link)
    bob.faults.lose_answer = 0.0
    await bob.join(link)
    await connected(alice, bob)


async def test_a_server_that_lies(alice: Person, bob: Person) -> None:
    one, other = await alice.invite(short=True), await alice.invite(short=True)
    first, second = (queue for queue in alice.servers.queues.values() if queue.link is not None)
    assert first.link is not None and second.link is not None  # noqa: PT018
    parsed = parse_link(other)
    assert isinstance(parsed, ShortLink)
    # another link's data, its profile, the right data of another queue, and noise
    honest = second.link
    for lie in (first.link, LinkData(honest.fixed, first.link.user), LinkData(os.urandom(2048), honest.user)):
        second.link = lie
        with pytest.raises(LinkError) as caught:
            await bob.agent.look_up_link(other)
        assert caught.value.fault is LinkFault.FORGED
    second.link = honest
    second.sender_id, kept = first.sender_id, second.sender_id
    with pytest.raises(LinkError):
        await bob.join(other)
    second.sender_id = kept
    await bob.join(other)
    await until(lambda: bool(alice.connected))
    assert one != other


async def test_a_server_that_names_the_queue_of_another_attempt(alice: Person, bob: Person) -> None:
    """What it says of one link takes no key from what is under way with another one."""
    await alice.invite(short=True)
    pending = alice.agent.connection_link(alice.contact).full  # type: ignore[union-attr]
    other = await alice.invite(short=True)
    first, second = (queue for queue in alice.servers.queues.values() if queue.link is not None)
    bob.faults.lose_answer = 1.0
    with pytest.raises(SMPError):
        await bob.join(pending)  # its queue is secured, but Bob does not know it yet
    bob.faults.lose_answer = 0.0
    assert first.sender_key is not None
    second.sender_id, kept = first.sender_id, second.sender_id
    for attempt in (bob.agent.look_up_link, bob.join):
        with pytest.raises(LinkError) as caught:
            await attempt(other)
        assert caught.value.fault is LinkFault.FORGED
    second.sender_id = kept
    await bob.join(pending)
    await bob.join(other)
    await until(lambda: alice._rows("SELECT count(*) FROM app_contacts WHERE connected") == [(2,)])


async def test_servers_known_by_name(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in (alice, bob):
        for part in (person.agent._own_links, person.agent._joining):
            monkeypatch.setattr(part, "_presets", (SERVER,))
    link = await alice.invite(short=True)
    parsed = parse_link(link)
    assert isinstance(parsed, ShortLink)
    assert parsed.server == LinkServer(SERVER.hosts)
    await bob.join(link)
    await connected(alice, bob)


async def test_an_unknown_name(bob: Person) -> None:
    with pytest.raises(LinkError) as caught:
        await bob.agent.look_up_link("https://smp.example/a#" + "A" * 43)
    assert caught.value.fault is LinkFault.UNKNOWN_SERVER


async def test_too_much_to_show(alice: Person) -> None:
    with pytest.raises(LargeMessage):
        await alice.agent.create_connection(user_data=bytes(USER_DATA_LIMIT + 1))
    await alice.agent.create_connection(user_data=bytes(USER_DATA_LIMIT))


async def test_a_server_without_short_links(alice: Person, bob: Person) -> None:
    alice.servers.short_links = False
    link = await alice.invite(short=True)
    assert link.startswith("simplex:/invitation#")
    await bob.join(link)
    await connected(alice, bob)
    assert alice.agent.is_quantum_resistant(alice.contact)


# peers that are older: what they do follows from the versions in their link, and in our confirmation


def at_version(link: str, agent: str, client: str) -> str:
    """The link of a peer with these versions."""
    assert "?v=2-7&" in link
    assert "%3Fv%3D1-4" in link
    return link.replace("?v=2-7", f"?v={agent}", 1).replace("%3Fv%3D1-4", f"%3Fv%3D{client}", 1)


@pytest.mark.parametrize("through_address", [False, True], ids=["invitation", "address"])
@pytest.mark.parametrize("securable", [True, False], ids=["SKEY", "HELLO"])
@pytest.mark.parametrize("agent", [2, 3, 4, 5, 6, 7])
async def test_agent_versions(agent: int, securable: bool, through_address: bool) -> None:
    servers = FakeServers(sender_can_secure=securable)
    alice, bob = Person("alice", servers), Person("bob", servers)
    for person in (alice, bob):
        await person.start()
    if through_address:
        await bob.join(at_version(await alice.publish(short=False), f"{agent}-{agent}", "1-4"))
        await until(lambda: bool(alice.requests))
        # the request names the versions of who asks
        older = ("?v=2-7", f"?v={agent}-{agent}")
        alice.database.execute("UPDATE contact_requests SET invitation = replace(invitation, ?, ?)", older)
        await alice.accept()
    else:
        await bob.join(at_version(await alice.invite(), f"{agent}-{agent}", "1-4"))
    await connected(alice, bob)
    for person in (alice, bob):
        kind = ConfirmationReceived if (person is bob) is through_address else InfoReceived
        (event,) = (event for event in person.events if isinstance(event, kind))
        assert event.agent_version == agent
        assert event.pq_supported is (agent >= 5)
    for person in (alice, bob):
        await person.end()


@pytest.mark.parametrize("client", ["1-1", "1-2", "1-3", "2-4", "4-4"])
@pytest.mark.parametrize("securable", [True, False], ids=["SKEY", "HELLO"])
async def test_client_versions(client: str, securable: bool) -> None:
    servers = FakeServers(sender_can_secure=securable)
    alice, bob = Person("alice", servers), Person("bob", servers)
    for person in (alice, bob):
        await person.start()
    link = await alice.invite()
    text = at_version(link, "6-6", client)
    if client in ("1-1", "1-2"):
        # such a client does not know that the sender can secure the queue
        text = text.replace("%26q%3Dm", "").replace("%26k%3Ds", "")
        (queue,) = servers.queues.values()
        queue.sender_can_secure = False
        alice.database.execute("UPDATE rcv_queues SET sender_can_secure = 0")
    await bob.join(text)
    await connected(alice, bob)
    for person in (alice, bob):
        await person.end()


@pytest.mark.parametrize("through_address", [False, True], ids=["invitation", "address"])
@pytest.mark.parametrize("securable", [(True, False), (False, True)], ids=["only the link's", "only the reply's"])
async def test_one_server_of_each_kind(
    alice: Person, bob: Person, securable: tuple[bool, bool], through_address: bool
) -> None:
    """Directions may differ: fast one way, HELLO the other."""
    servers = alice.servers
    if through_address:
        link = await alice.publish()
        servers.sender_can_secure = securable[0]
        await bob.join(link)
        await until(lambda: bool(alice.requests))
        servers.sender_can_secure = securable[1]
        await alice.accept()
    else:
        servers.sender_can_secure = securable[0]
        link = await alice.invite(short=securable[0])
        servers.sender_can_secure = securable[1]
        await bob.join(link)
    await connected(alice, bob)
