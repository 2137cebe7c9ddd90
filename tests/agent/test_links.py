from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.agent.kem import KemProposed
from simplex_calls.agent.links import (
    MAX_LINK_LENGTH,
    ContactAddress,
    Invitation,
    LinkError,
    LinkFault,
    QueueMode,
    QueueUri,
    parse_link,
)
from simplex_calls.agent.queue_address import QueueAddress, QueueInfo
from simplex_calls.agent.versions import AGENT_VERSIONS, CLIENT_VERSIONS, E2E_VERSIONS, highest_common
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.crypto import KemPublicKey, X448PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError
from tests.vectors import simplexmq

H = bytes.fromhex
URIS = simplexmq()["uris"]
REQUESTS = {vector["name"]: vector for vector in URIS["connection_requests"]}
MODES = {"QMMessaging": QueueMode.MESSAGING, "QMContact": QueueMode.CONTACT, None: None}
PLAIN = str(REQUESTS["invitation simplex:"]["uri"])


def queue_of(vector: dict[str, Any]) -> QueueUri:
    return QueueUri(
        VersionRange.parse(vector["client_version_range"]),
        ServerAddress.parse(vector["server"]),
        H(vector["sender_id"]),
        X25519PublicKey(H(URIS["keys"]["dh"]["pub_raw"])),
        MODES[vector["queue_mode"]],
    )


@pytest.mark.parametrize("vector", URIS["queue_uris"], ids=lambda vector: vector["name"])
def test_queue_uris(vector: dict[str, Any]) -> None:
    queue = queue_of(vector)
    assert str(queue) == vector["uri"]
    assert QueueUri.parse(vector["uri"]) == queue
    assert queue.encode() == H(vector["binary"])
    reader = Reader(H(vector["binary"]))
    decoded = QueueUri.read(reader)
    reader.end()
    # a range that starts below 3 has no place for "contact"
    mode = queue.mode if queue.versions.minimum >= 4 or queue.sender_can_secure else None
    if queue.versions.minimum == 3 and mode is None:
        mode = QueueMode.CONTACT
    assert decoded == QueueUri(queue.versions, queue.server, queue.sender_id, queue.dh_key, mode)
    for name, encoded in vector["queue_info_binary"].items():
        info = queue.at(int(name[1:]))
        assert info.encode() == H(encoded)
        reader = Reader(H(encoded))
        assert QueueInfo.read(reader).address == (
            info.address if info.version > 1 else QueueAddress(single_host(queue.server), queue.sender_id)
        )
        reader.end()


def single_host(server: ServerAddress) -> ServerAddress:
    return ServerAddress(server.hosts[:1], server.port, server.fingerprint)


@pytest.mark.parametrize("name", [name for name in REQUESTS if name.startswith("invitation")])
def test_official_invitations(name: str) -> None:
    vector = REQUESTS[name]
    link = parse_link(vector["uri"])
    assert isinstance(link, Invitation)
    assert link == Invitation.parse(f"\n {vector['uri']} \n")
    assert Invitation.parse(str(link)) == Invitation.parse(link.https) == link
    assert vector["uri"] in (str(link), link.https)
    assert (link.e2e.kem is not None) == ("kem_key" in vector["uri"])
    assert link.encode() == H(vector["binary"])
    assert Invitation.decode(H(vector["binary"])) == link


def test_kem_keys_in_invitations() -> None:
    proposed = REQUESTS["invitation PQ kem_key"]["uri"]
    link = Invitation.parse(proposed)
    assert link.e2e.kem == KemProposed(KemPublicKey(H(URIS["keys"]["kem_public_key"])))
    # links of people who speak version 2 only have no use for one
    older = replace(link, e2e=replace(link.e2e, versions=VersionRange(2, 2)))
    assert "kem_key" not in str(older)
    assert Invitation.parse(proposed.replace("e2e=v%3D2-3", "e2e=v%3D2")).e2e.kem is None
    for damaged in (proposed[:-20], proposed + "%26kem_ct%3DAAAA", proposed.replace("kem_key%3D", "kem_key%3D%21")):
        with pytest.raises(LinkError) as caught:
            Invitation.parse(damaged)
        assert caught.value.fault is LinkFault.DAMAGED


@pytest.mark.parametrize("name", [name for name in REQUESTS if name.startswith("contact")])
def test_official_contact_addresses(name: str) -> None:
    link = parse_link(REQUESTS[name]["uri"])
    assert isinstance(link, ContactAddress)
    assert REQUESTS[name]["uri"] in (str(link), link.https)
    assert link.encode() == H(REQUESTS[name]["binary"])
    reader = Reader(link.encode())
    assert ContactAddress.read(reader) == link
    reader.end()
    assert link.is_same(replace(link, versions=VersionRange(3, 3), client_data="other"))
    assert not link.is_same(replace(link, queues=(replace(link.queues[0], sender_id=b"other"),)))
    # addresses that were published long ago
    for written, read in (("v=1", VersionRange(2, 2)), ("v=1-4", VersionRange(2, 4)), ("v=5-9", VersionRange(5, 9))):
        older = parse_link(REQUESTS[name]["uri"].replace("v=2-7", written, 1))
        assert isinstance(older, ContactAddress)
        assert older.versions == read
    with pytest.raises(LinkError, match="contact address") as caught:
        Invitation.parse(REQUESTS[name]["uri"])
    assert caught.value.fault is LinkFault.CONTACT_ADDRESS


def test_the_link_of_the_full_stack() -> None:
    for stack in simplexmq()["full_stack"]:
        link = Invitation.parse(stack["invitation"])
        assert link.queues[0].sender_can_secure
        assert link.e2e.key1.raw == H(stack["initiator"]["x3dh_key1"]["pub_raw"])
        assert link.e2e.key2.raw == H(stack["initiator"]["x3dh_key2"]["pub_raw"])


def our_invitation() -> Invitation:
    queue = QueueUri(
        CLIENT_VERSIONS,
        ServerAddress.parse(f"{URIS['servers'][0]['str']}"),
        b"sender id",
        X25519PrivateKey(bytes(range(32))).public,
        QueueMode.MESSAGING,
    )
    keys = E2EPrivateKeys(X448PrivateKey(b"\1" * 56), X448PrivateKey(b"\2" * 56))
    return Invitation(AGENT_VERSIONS, (queue,), keys.public(E2E_VERSIONS))


def test_our_invitation_says_what_we_speak() -> None:
    text = str(our_invitation())
    assert text.startswith("simplex:/invitation#/?v=2-7&smp=smp%3A%2F%2F")
    assert "%23%2F%3Fv%3D1-4%26dh%3D" in text
    assert "%26q%3Dm%26k%3Ds&e2e=v%3D2-3%26x3dh%3D" in text
    assert Invitation.parse(text) == our_invitation()


def test_the_password_of_a_server_stays_out_of_links() -> None:
    queue = our_invitation().queues[0]
    server = ServerAddress.parse(URIS["server_with_password"]["str"])
    assert server.password is not None
    for versions in (VersionRange(1, 3), VersionRange(2, 3)):
        with_password = QueueUri(versions, server, queue.sender_id, queue.dh_key, queue.mode)
        assert server.password not in str(with_password)
        assert server.password.encode() not in with_password.encode()
        assert server.password.encode() not in with_password.at(1).encode()


def test_common_versions() -> None:
    official = Invitation.parse(PLAIN)
    assert highest_common(AGENT_VERSIONS, official.versions) == 7
    assert highest_common(E2E_VERSIONS, official.e2e.versions) == 3
    assert highest_common(CLIENT_VERSIONS, official.queues[0].versions) == 4
    assert highest_common(E2E_VERSIONS, VersionRange(4, 5)) is None


def test_links_are_read_tolerantly() -> None:
    link = Invitation.parse(PLAIN)
    scheme, query = PLAIN.split("#/?")
    parameters = query.split("&")
    for text in (
        f"{scheme}#/?{'&'.join(reversed(parameters))}",
        f"{scheme}/#/?{query}",
        f"{scheme}#?{query}",
        f"{scheme}#/?new=1&{query}&alone&v=9&=",
        f"{scheme}#/?{query.replace('&', ';')}",
        PLAIN.replace("simplex:", "https://example.org:8443"),
        PLAIN.replace("%3D", "%3d"),
        # base64 without its padding
        PLAIN.replace("ZH0%253D", "ZH0").replace("YhQ%3D", "YhQ"),
        # parameters of the queue in another order, with one that is not known
        PLAIN.replace("%3Fv%3D1-4%26", "%3Fx%3Dy%26").replace("%26k%3Ds", "%26k%3Ds%26v%3D1-4"),
        # an older app's way to say that the sender can secure the queue
        PLAIN.replace("%26q%3Dm", ""),
    ):
        assert Invitation.parse(text) == link, text


def test_older_forms_of_queue_addresses() -> None:
    vector = URIS["queue_uris"][0]
    queue = queue_of(vector)
    base, key = vector["uri"].split("#")[0], URIS["keys"]["dh"]["pub_str"]
    unversioned = QueueUri.parse(f"{base}#{key}")
    assert unversioned == QueueUri(VersionRange(1, 1), queue.server, queue.sender_id, queue.dh_key, None)
    for text in (f"{base}#{key}/?v=1-4&q=m", f"{base}#{key}?v=1-4&k=s", f"{base}/#/?v=1-4&dh={quote(key)}&q=m"):
        assert QueueUri.parse(text) == queue


OTHER = [
    ("", LinkFault.NOT_A_LINK),
    ("hello", LinkFault.NOT_A_LINK),
    ("simplex:/group#/?v=1", LinkFault.NOT_A_LINK),
    ("https://simplex.chat/", LinkFault.NOT_A_LINK),
    ("ftp" + PLAIN, LinkFault.NOT_A_LINK),
    (PLAIN + " and more", LinkFault.NOT_A_LINK),
    (PLAIN + "&x=\ud800", LinkFault.NOT_A_LINK),
    (PLAIN + "&x=\0", LinkFault.NOT_A_LINK),
    (PLAIN + "&x=" + "x" * MAX_LINK_LENGTH, LinkFault.NOT_A_LINK),
    *((vector["uri"], LinkFault.SHORT_LINK) for vector in URIS["short_links"]),
    ("https://127.0.0.1/i#LINKID/KEY?p=5331&c=FP", LinkFault.DAMAGED),
    ("https://smp1.simplex.im/a#KEY", LinkFault.DAMAGED),
    ("simplex:/i#LINKID/KEY?h=host&c=FP", LinkFault.DAMAGED),
    ("simplex:/x#LINKID/KEY?h=host&c=FP", LinkFault.NOT_A_LINK),
    ("simplex:/invitation#/?v=2-7", LinkFault.DAMAGED),
    (PLAIN[:-100], LinkFault.DAMAGED),
    (PLAIN.replace("v=2-7", "v=7-2"), LinkFault.DAMAGED),
    (PLAIN.replace("v=2-7", "v=x"), LinkFault.DAMAGED),
    (PLAIN.replace("%2C", ""), LinkFault.DAMAGED),
    (PLAIN.replace("%2C", "%2C" + PLAIN.split("%2C")[1] + "%2C"), LinkFault.DAMAGED),
    (PLAIN.replace("MEIw", "MEIx"), LinkFault.DAMAGED),
    (PLAIN.replace("MCow", "MCox"), LinkFault.DAMAGED),
    (PLAIN.replace("dh%3D", "no%3D"), LinkFault.DAMAGED),
    (PLAIN.replace("%23%2F%3F", "%3F%2F%23"), LinkFault.DAMAGED),
    (PLAIN.replace("smp%3A", "xmp%3A"), LinkFault.DAMAGED),
    (PLAIN.replace("&e2e=", "%3B&e2e="), LinkFault.DAMAGED),
]


@pytest.mark.parametrize(("text", "fault"), OTHER)
def test_other_texts_are_refused_with_a_reason(text: str, fault: LinkFault) -> None:
    with pytest.raises(LinkError) as caught:
        Invitation.parse(text)
    assert caught.value.fault is fault
    assert len(str(caught.value)) > 40
    # no part of the link is told on
    assert "%" not in str(caught.value)
    assert "AQIDBAUG" not in str(caught.value)


def test_what_follows_an_old_queue_address_is_not_its_mode() -> None:
    info = queue_of(URIS["queue_uris"][0])
    for version, following in ((1, b"Mary"), (2, b"Tom"), (4, b"{}")):
        queue = replace(info, mode=None).at(version)
        reader = Reader(queue.encode() + following)
        assert QueueInfo.read(reader).mode is None
        assert reader.tail() == following
    old = replace(info, versions=VersionRange(1, 2), mode=None)
    reader = Reader(old.encode() + b"Mary")
    assert (QueueUri.read(reader), reader.tail()) == (old, b"Mary")


def test_binary_queue_addresses_that_do_not_follow() -> None:
    vector = URIS["queue_uris"][0]
    info = queue_of(vector).at(4)
    encoded = info.encode()
    for end in range(len(encoded) - 1):
        with pytest.raises(DecodeError):
            QueueInfo.read(Reader(encoded[:end]))
    with pytest.raises(DecodeError, match="queue id"):
        QueueInfo.read(Reader(encoded.replace(b"\x18" + info.sender_id, b"\0")))


@given(st.text(st.characters(), max_size=200), st.integers(0, 700))
def test_garbage_raises_only_link_errors(text: str, cut: int) -> None:
    short = URIS["short_links"][0]["uri"]
    for link in (
        text,
        short[:cut] + text,
        short[:cut] + text + short[cut + 1 :],
        PLAIN[:cut] + text,
        PLAIN[:cut] + text + PLAIN[cut + 1 :],
        "simplex:/invitation#/?" + text,
    ):
        try:
            parsed = parse_link(link)
        except LinkError:
            continue
        assert parse_link(str(parsed)) == parsed


@given(st.binary(max_size=200), st.integers(0, 300))
def test_binary_garbage_raises_only_decode_errors(data: bytes, cut: int) -> None:
    whole = H(REQUESTS["invitation 2 queues + data"]["binary"])
    for encoded in (data, whole[:cut] + data + whole[cut + 1 :], b"I" + data):
        try:
            Invitation.decode(encoded)
        except DecodeError:
            continue


def test_queue_ids_do_not_show_in_repr() -> None:
    invitation = Invitation.parse(PLAIN)
    sender_id = invitation.queues[0].sender_id
    shown = repr((invitation, invitation.queues[0].at(2), invitation.queues[0].address))
    assert repr(sender_id)[2:-1] not in shown
