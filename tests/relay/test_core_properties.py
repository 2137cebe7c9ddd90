"""Whatever happens in whatever order, every accepted message is delivered, in order, until it is acknowledged."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.relay.sessions import Limits
from simplex_calls.relay.store import Store
from simplex_calls.smp.body import Received
from simplex_calls.smp.commands import Ack, Get
from simplex_calls.smp.errors import CommandFault
from simplex_calls.smp.messages import Msg, Ok
from tests.relay.peer import NO_MSG, QUOTA, Peer, Queue, Server, cmd

LIMITS = Limits(messages_per_queue=3, deliveries=2)
STEPS = (
    "send",
    "send",
    "subscribe",
    "other subscribes",
    "get",
    "acknowledge",
    "reconnect",
    "refill",
    "restart",
    "fail",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_no_message_is_lost_doubled_or_out_of_order(steps: list[str]) -> None:
    store = Store()
    server = Server(store, limits=LIMITS)
    alice, other, bob = server.peer(), server.peer(), server.peer()
    queue = Queue(alice, subscribe=False)
    accepted: list[bytes] = []
    acknowledged: list[bytes] = []
    full = False
    last: tuple[Peer, Msg] | None = None  # the last delivery, and to whom

    def take(peer: Peer, message: object) -> None:
        nonlocal last
        if isinstance(message, Msg):
            content = queue.open(message)
            if isinstance(content, Received):
                assert content.body == accepted[len(acknowledged)]
            else:
                assert full
                assert acknowledged == accepted
            last = (peer, message)
        else:
            assert message in (Ok(), cmd(CommandFault.PROHIBITED))

    def collect() -> None:
        for peer in (alice, other):
            for message in peer.deliveries(queue.recipient_id):
                if isinstance(message, Msg):
                    take(peer, message)

    for number, step in enumerate(steps):
        match step:
            case "send":
                body = str(number).encode()
                if len(accepted) - len(acknowledged) < 3 and not full:
                    accepted.append(body)
                    assert queue.send(bob, body) == Ok()
                else:
                    full = True
                    assert queue.send(bob, body) == QUOTA
            case "subscribe":
                take(alice, queue.subscribe(alice))
            case "other subscribes":
                take(other, queue.subscribe(other))
            case "get":
                take(other, queue.ask(other, Get()))
            case "acknowledge" if last is not None:
                (peer, message), last = last, None
                content = queue.open(message)
                answer = queue.ask(peer, Ack(message.message_id))
                if answer != NO_MSG:  # its session ended, or it was acknowledged in another one
                    if isinstance(content, Received):
                        acknowledged.append(content.body)
                    else:
                        full = False
                    take(peer, answer)
            case "reconnect":
                alice.disconnect()
                alice = server.peer()
            case "refill":
                server.take(server.core.refill(alice.core_session, server.now))
            case "restart":
                server = Server(store, limits=LIMITS)
                alice, other, bob = server.peer(), server.peer(), server.peer()
                last = None
            case "fail":
                commit, server.commit = server.commit, lambda: None  # type: ignore[method-assign]
                queue.send(bob, b"lost")
                server.core.take_changes()
                server.core.recover()
                for peer in (alice, other, bob):
                    peer.disconnect()
                server.commit = commit  # type: ignore[method-assign]
                alice, other, bob = server.peer(), server.peer(), server.peer()
                last = None
        collect()

    rest = queue.bodies(server.peer())
    assert acknowledged + [body for body in rest if body != b"QUOTA"] == accepted
    assert (b"QUOTA" in rest) == full
