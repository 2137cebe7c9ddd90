from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.agent.link_errors import LinkError, LinkFault
from simplex_calls.agent.links import ConnectionLink, ContactAddress, Invitation, parse_link
from simplex_calls.agent.short_link_uri import LinkServer, ShortLink, ShortLinkKind
from simplex_calls.agent.short_links import (
    FIXED_DATA_SIZE,
    USER_DATA_SIZE,
    FixedData,
    LinkKeys,
    OpenedLink,
    Owner,
    UserData,
    make_link,
    open_link,
    seal_user_data,
)
from simplex_calls.crypto import Ed25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.encoding import Reader, VersionRange, short
from simplex_calls.smp.errors import DecodeError
from tests.vectors import simplexmq

H = bytes.fromhex
URIS = simplexmq()["uris"]["short_links"]
LINKS = simplexmq()["short_links"]
ROOT = Ed25519PrivateKey(H(LINKS["root_key"]["priv_raw"]))
KINDS = [ShortLinkKind.INVITATION, ShortLinkKind.CONTACT]
FINGERPRINT = bytes(range(1, 33))
ONION = "jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion"
PRESET = ServerAddress(("smp.example.com", ONION), None, FINGERPRINT)


@pytest.mark.parametrize("vector", URIS, ids=lambda vector: vector["name"])
def test_official_texts(vector: dict[str, str]) -> None:
    link = parse_link(vector["uri"])
    assert isinstance(link, ShortLink)
    assert vector["uri"] == (link.simplex if vector["uri"].startswith("simplex:") else str(link))
    assert parse_link(str(link)) == parse_link(f" {link.simplex}\n") == link
    assert link.encode() == H(vector["binary"])
    reader = Reader(link.encode())
    assert ShortLink.read(reader) == link
    reader.end()
    assert link.kind.name.lower() == vector["name"].split()[0]
    assert link.server.address(()).fingerprint == FINGERPRINT
    assert repr(link.link_key)[2:-1] not in repr(link)


def contact(text: str) -> ShortLink:
    link = parse_link(text)
    assert isinstance(link, ShortLink)
    return link


KEY = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4CBgoM"


def test_texts_are_read_tolerantly() -> None:
    link = contact(URIS[2]["uri"])
    for text in (
        f"https://smp.example.com/A#{KEY}?p=5223&c=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA%3D",
        f"https://smp.example.com/a/#{KEY}=?new=x&c=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA&p=5223",
        f"simplex:/a#{KEY}?c=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA&p=5223&h=smp.example.com",
    ):
        assert contact(text) == link
    assert contact(f"https://[2001:db8::1]/a#{KEY}").server.hosts == ("2001:db8::1",)
    assert str(contact(f"https://[2001:db8::1]/a#{KEY}")) == f"https://[2001:db8::1]/a#{KEY}"


@pytest.mark.parametrize(
    "text",
    [
        f"simplex:/a#{KEY}",
        f"https://host/a#{KEY}A",
        f"https://host/a#AAAA/{KEY}",
        f"https://host/i#{KEY}",
        f"https://host/i#/{KEY}",
        f"https://host/i#{'A' * 400}/{KEY}",
        f"https://host/I#AAAA/{KEY}",
        f"https://host:5223/a#{KEY}",
        f"https://host/a#{KEY}?p=x",
        f"https://host/a#{KEY}?p=70000",
        f"https://host/a#{KEY}?p=0",
        f"https://host/a#{KEY}?c=AAAA",
        f"https://host/a#{KEY}?c=!",
        f"https://host/a#{KEY}?h=a%20b",
        f"https://ho%20st/a#{KEY}",
        f"https://host/a#{KEY}#",
        "https://host/a#!",
    ],
)
def test_damaged_texts(text: str) -> None:
    with pytest.raises(LinkError) as caught:
        parse_link(text)
    assert caught.value.fault in (LinkFault.DAMAGED, LinkFault.NOT_A_LINK)
    assert KEY not in str(caught.value)


def test_preset_servers_are_named_by_their_host() -> None:
    full = ShortLink(ShortLinkKind.CONTACT, LinkServer.of(PRESET), bytes(32))
    named = full.shortened([replace(PRESET, hosts=("other.example.com",)), PRESET])
    assert named.server == LinkServer(("smp.example.com",))
    assert str(named) == f"https://smp.example.com/a#{'A' * 43}"
    assert named.simplex == f"simplex:/a#{'A' * 43}?h=smp.example.com"
    assert named.shortened([PRESET]) == contact(str(named)) == named
    assert named.server.address([PRESET]) == PRESET
    reader = Reader(named.encode())
    assert ShortLink.read(reader) == named
    # what apps know of a server may be a part of what the link says, or other ports that it answers at
    for server in (
        LinkServer(("smp.example.com",), None, FINGERPRINT),
        LinkServer(PRESET.hosts, 5223, FINGERPRINT),
        LinkServer(PRESET.hosts, 443, FINGERPRINT),
    ):
        assert server.shortened([PRESET]) == named.server
    for server in (
        LinkServer(PRESET.hosts, 5224, FINGERPRINT),
        LinkServer(PRESET.hosts, None, bytes(32)),
        LinkServer((*PRESET.hosts, "third.example.com"), None, FINGERPRINT),
        LinkServer((ONION, "smp.example.com"), None, FINGERPRINT),
    ):
        assert server.shortened([PRESET]) == server
    assert LinkServer.of(PRESET).shortened([replace(PRESET, port=443)]) == LinkServer.of(PRESET)
    for unknown in (LinkServer(("other.example.com",)), LinkServer(("smp.example.com",), 5223)):
        with pytest.raises(LinkError) as caught:
            unknown.address([PRESET])
        assert caught.value.fault is LinkFault.UNKNOWN_SERVER
    # one's own password for a server is nobody else's
    assert LinkServer.of(replace(PRESET, password="secret")).address([]).password is None


@pytest.mark.parametrize("encoded", [b"", b"X", b"I", b"CX" + bytes(60), H(URIS[0]["binary"])[:-1], b"CA\0\0\0\0"])
def test_binary_links_that_do_not_follow(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        ShortLink.read(Reader(encoded))


def test_a_link_shows_its_short_form() -> None:
    assert str(ConnectionLink("simplex:/invitation#/?v=2")) == "simplex:/invitation#/?v=2"
    assert str(ConnectionLink("simplex:/invitation#/?v=2", "https://host/i#a/b")) == "https://host/i#a/b"
    assert "simplex" not in repr(ConnectionLink("simplex:/invitation#/?v=2"))


def vector_of(kind: ShortLinkKind) -> dict[str, Any]:
    vector: dict[str, Any] = LINKS[kind.name.lower()]
    return vector


def request_of(kind: ShortLinkKind) -> Invitation | ContactAddress:
    link = parse_link(vector_of(kind)["connection_request"])
    assert not isinstance(link, ShortLink)
    return link


def link_of(kind: ShortLinkKind, key: bytes | None = None) -> ShortLink:
    link_id = b"link id" if kind is ShortLinkKind.INVITATION else b""
    server = LinkServer.of(request_of(kind).queues[0].server)
    return ShortLink(kind, server, key or H(vector_of(kind)["link_key"]), link_id)


def opened(link: ShortLink, fixed: bytes, user: bytes, sender_id: bytes | None = None) -> OpenedLink:
    queue = request_of(link.kind).queues[0]
    return open_link(link, queue.server, sender_id or queue.sender_id, fixed, user)


@pytest.mark.parametrize("kind", KINDS)
def test_official_data(kind: ShortLinkKind) -> None:
    vector = vector_of(kind)
    assert H(LINKS["root_key"]["pub_raw"]) == ROOT.public.raw
    keys = LinkKeys.of(kind, H(vector["link_key"]))
    assert keys.link_id == H(vector.get("link_id", ""))
    fixed, user = H(vector["enc_fixed_data"]), H(vector["enc_user_data"])
    assert (len(fixed), len(user)) == (FIXED_DATA_SIZE, USER_DATA_SIZE)
    nonces = iter((fixed[:24], user[:24]))
    made = make_link(
        ROOT,
        request_of(kind),
        H(vector["user_data"]),
        random=lambda size: next(nonces)[:size],
        versions=VersionRange(2, 7),
    )
    assert made.link_key == H(vector["link_key"])
    assert made.link_id == keys.link_id
    assert made.fixed == fixed
    assert made.user == user
    link = opened(link_of(kind), fixed, user)
    assert link.request == request_of(kind)
    assert link.fixed == FixedData(VersionRange(2, 7), ROOT.public, request_of(kind))
    assert link.user == UserData(VersionRange(2, 7), H(vector["user_data"]))
    assert repr(link.user.data) not in repr(link)


def faulty(link: ShortLink, fixed: bytes, user: bytes, sender_id: bytes | None = None) -> str:
    with pytest.raises(LinkError) as caught:
        opened(link, fixed, user, sender_id)
    return f"{caught.value.fault.name} {caught.value}"


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_are_not_the_links(kind: ShortLinkKind) -> None:
    made = make_link(ROOT, request_of(kind), b"profile")
    link = link_of(kind, made.link_key)
    assert opened(link, made.fixed, made.user).user.data == b"profile"
    # changed on the server, or the key of another link
    for fixed, user in (
        (made.fixed[:-1] + bytes((made.fixed[-1] ^ 1,)), made.user),
        (made.fixed, made.user[:-1] + bytes((made.user[-1] ^ 1,))),
        (b"", made.user),
        (made.fixed, made.user[:30]),
    ):
        assert "FORGED" in faulty(link, fixed, user)
    assert "decrypt" in faulty(link_of(kind, bytes(32)), made.fixed, made.user)
    # all of another link, encrypted by somebody who knows this one's key
    other = Ed25519PrivateKey.generate()
    swapped = make_link(other, request_of(kind), b"profile")
    box, other_box = LinkKeys.of(kind, made.link_key).box, LinkKeys.of(kind, swapped.link_key).box
    again = made.fixed[:24] + box.seal(made.fixed[:24], other_box.open(swapped.fixed[:24], swapped.fixed[24:]))
    assert "hash is another" in faulty(link, again, made.user)
    # user data that somebody else signed
    user = seal_user_data(other, kind, made.link_key, UserData(VersionRange(2, 7), b"forged"))
    assert "not signed by the link's owner" in faulty(link, made.fixed, user)
    # fixed data with the right hash, signed by somebody else
    signed = other_box.open(swapped.fixed[:24], swapped.fixed[24:])
    ours = box.open(made.fixed[:24], made.fixed[24:])
    mixed = ours[:2] + signed[2:67] + ours[67:]
    assert "not signed by their maker" in faulty(link, made.fixed[:24] + box.seal(made.fixed[:24], mixed), made.user)
    # another queue than the data name
    assert "another address" in faulty(link, made.fixed, made.user, b"another id")
    queue = request_of(kind).queues[0]
    with pytest.raises(LinkError, match="another address"):
        open_link(link, replace(queue.server, hosts=("other.host",)), queue.sender_id, made.fixed, made.user)
    # a key of the other kind is another key
    turned = ShortLinkKind.CONTACT if kind is ShortLinkKind.INVITATION else ShortLinkKind.INVITATION
    assert "decrypt" in faulty(link_of(turned, made.link_key), made.fixed, made.user)


def test_data_of_the_other_kind() -> None:
    made = make_link(ROOT, request_of(ShortLinkKind.CONTACT), b"")
    contact_box = LinkKeys.of(ShortLinkKind.CONTACT, made.link_key).box
    box = LinkKeys.of(ShortLinkKind.INVITATION, made.link_key).box
    fixed = made.fixed[:24] + box.seal(made.fixed[:24], contact_box.open(made.fixed[:24], made.fixed[24:]))
    user = seal_user_data(ROOT, ShortLinkKind.INVITATION, made.link_key, UserData(VersionRange(2, 7), b""))
    link = link_of(ShortLinkKind.INVITATION, made.link_key)
    assert "of the other kind" in faulty(link, fixed, user)


def test_the_server_as_it_was_found() -> None:
    made = make_link(ROOT, request_of(ShortLinkKind.CONTACT), b"")
    queue = request_of(ShortLinkKind.CONTACT).queues[0]
    server = replace(queue.server, hosts=(*queue.server.hosts, ONION), password="secret")
    link = open_link(link_of(ShortLinkKind.CONTACT, made.link_key), server, queue.sender_id, made.fixed, made.user)
    assert link.request.queues[0].server == replace(server, password=None)
    assert link.request.queues[0].server.password is None


def owner(owner_id: bytes, key: Ed25519PrivateKey, by: Ed25519PrivateKey) -> Owner:
    return Owner(owner_id, key.public, by.sign(owner_id + key.public.der))


def test_owners() -> None:
    kind = ShortLinkKind.CONTACT
    made = make_link(ROOT, request_of(kind), b"")
    link = link_of(kind, made.link_key)
    first, second, stranger = (Ed25519PrivateKey.generate() for _ in range(3))
    owners = (owner(b"1", first, ROOT), owner(b"2", second, first))
    relay = ShortLink(ShortLinkKind.RELAY, LinkServer(("relay.example.com",)), bytes(32))

    def sealed(by: Ed25519PrivateKey, owners: tuple[Owner, ...]) -> bytes:
        user = UserData(VersionRange(2, 7), b"x" * 255, is_direct=False, owners=owners, relays=(relay,))
        return seal_user_data(by, kind, made.link_key, user)

    for by in (ROOT, first, second):
        user = opened(link, made.fixed, sealed(by, owners)).user
        assert (user.data, user.is_direct, user.owners, user.relays) == (b"x" * 255, False, owners, (relay,))
    assert "not signed" in faulty(link, made.fixed, sealed(stranger, owners))
    for wrong in (
        (owner(b"1", first, stranger),),
        (owner(b"1", ROOT, ROOT),),
        (*owners, owner(b"2", stranger, ROOT)),
        (*owners, owner(b"3", first, ROOT)),
        tuple(reversed(owners)),
    ):
        assert "not authorised" in faulty(link, made.fixed, sealed(ROOT, wrong))


def test_what_later_versions_add_is_passed_over() -> None:
    fixed = FixedData(VersionRange(2, 7), ROOT.public, request_of(ShortLinkKind.CONTACT), b"entity")
    assert FixedData.read(Reader(fixed.encode())) == fixed
    assert FixedData.read(Reader(fixed.encode() + b"more")) == fixed
    without = replace(fixed, entity_id=None)
    assert FixedData.read(Reader(without.encode() + b"\xf0")) == without
    for kind in KINDS:
        for size in (0, 254, 255, 10_000):
            user = UserData(VersionRange(2, 7), bytes(size))
            assert UserData.read(Reader(user.encode(kind) + b"more"), kind) == user
    extended = owner(b"1", ROOT, ROOT)
    encoded = short(extended.encode()[1:] + b"more")
    assert Owner.read(Reader(encoded)) == extended


def test_sizes() -> None:
    kind = ShortLinkKind.CONTACT
    request = request_of(kind)
    largest = USER_DATA_SIZE - 24 - 16 - 2 - 65 - 1 - 4 - 1 - 1 - 1 - 3
    made = make_link(ROOT, request, bytes(largest))
    assert opened(link_of(kind, made.link_key), made.fixed, made.user).user.data == bytes(largest)
    with pytest.raises(ValueError, match="does not fit"):
        make_link(ROOT, request, bytes(largest + 1))


@given(st.binary(max_size=80), st.integers(0, 300), st.sampled_from(KINDS))
def test_signed_garbage_raises_only_link_errors(data: bytes, cut: int, kind: ShortLinkKind) -> None:
    whole = H(vector_of(kind)["fixed_data_signed"])[65:]
    user = H(vector_of(kind)["user_data_signed"])[65:]
    for encoded in (whole[:cut] + data, whole[:cut] + data + whole[cut + 1 :]):
        try:
            FixedData.read(Reader(encoded))
        except DecodeError:
            continue
    for encoded in (user[:cut] + data, user[: cut % 12] + data, b"C\0\2\0\7T\1" + data):
        try:
            UserData.read(Reader(encoded), kind)
        except DecodeError:
            continue


@given(st.binary(max_size=100), st.integers(0, 130))
def test_binary_garbage_raises_only_decode_errors(data: bytes, cut: int) -> None:
    whole = H(URIS[0]["binary"])
    for encoded in (data, whole[:cut] + data, whole[:cut] + data + whole[cut + 1 :], b"CA" + data):
        reader = Reader(encoded)
        try:
            link = ShortLink.read(reader)
        except DecodeError:
            continue
        assert ShortLink.read(Reader(link.encode())) == link
        assert parse_link(str(link)) == link
