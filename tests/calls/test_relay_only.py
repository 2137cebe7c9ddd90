"""What leaves a call that goes through relays only, whatever its page says."""

from __future__ import annotations

import pytest

from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.page import PageCandidates, PageOffer
from simplex_calls.chat.messages import CallEnd, CallExtra, CallMedia, CallOffer
from tests.calls.packing import pack
from tests.calls.test_switchboard import ringing
from tests.calls.world import CONTACT, Side

RELAYED = pack([{"candidate": "candidate:1 1 udp 1 203.0.113.5 5000 typ relay raddr 0.0.0.0 rport 0"}])
HOST = pack([{"candidate": "candidate:1 1 udp 1 192.168.1.7 5000 typ host"}])
OFFER = pack({"type": "offer", "sdp": "v=0\r\nc=IN IP4 0.0.0.0\r\n"})


def relayed() -> Side:
    """Bob has taken a call, and hides his address."""
    side = ringing()
    side.take(side.board.accept(side.call.id, side.now, relay_only=True))
    side.attach()
    return side


def test_relays_addresses_are_told_and_others_are_not() -> None:
    side = relayed()
    side.say(PageOffer(OFFER, RELAYED, encryption=True))
    for group in (HOST, RELAYED, "nonsense"):
        side.say(PageCandidates(group))
    kinds = [type(message) for message in side.outbox]
    assert kinds == [CallOffer, CallExtra]
    assert side.outbox[1] == CallExtra(side.call.wire_id, RELAYED)


@pytest.mark.parametrize(("offer", "candidates"), [(OFFER, HOST), (pack({"sdp": "c=IN IP4 192.168.1.7"}), RELAYED)])
def test_a_description_that_shows_an_address_ends_the_call(offer: str, candidates: str) -> None:
    side = relayed()
    side.say(PageOffer(offer, candidates, encryption=True))
    assert [type(message) for message in side.outbox] == [CallEnd]
    assert [call.failure for call in side.ended] == [CallFailure.ADDRESS_SHOWN]


def test_who_calls_hides_as_well() -> None:
    side = Side(b"a")
    step, call_id = side.board.dial(CONTACT, CallMedia.AUDIO, side.now, side.random, relay_only=True)
    assert step.board.get(call_id).relay_only
    # a contact who rings is answered the same way
    other = ringing()
    step, call_id = other.board.dial(CONTACT, CallMedia.AUDIO, other.now, other.random, relay_only=True)
    assert step.board.get(call_id).relay_only
