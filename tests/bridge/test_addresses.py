"""What the chat page can ask about the address, and who asks through it."""

from __future__ import annotations

from typing import Any

from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.client import Client
from simplex_calls.events import ContactRequestAdded, ContactRequestRemoved
from tests.bridge.people import FakeShell
from tests.linked import Agents


async def done(methods: ChatMethods, method: str, **params: Any) -> Any:
    answer = await methods.answer({"id": 1, "method": method, "params": params})
    assert answer is not None
    return answer["result"]


async def refused(methods: ChatMethods, method: str, **params: Any) -> Any:
    answer = await methods.answer({"id": 1, "method": method, "params": params})
    assert answer is not None
    return answer["error"]["code"]


async def test_an_address_and_who_asks(alice: Client, bob: Client, agents: Agents) -> None:
    methods = ChatMethods(alice, FakeShell())
    assert await done(methods, "address") is None
    made = await done(methods, "create_address")
    assert (made["link"], made["shortLink"]) == (made["fullLink"], None)
    assert made["qr"]["size"] > 0
    assert await done(methods, "address") == made
    preview = await done(methods, "look_up_link", link=made["link"])
    assert (preview["kind"], preview["isOwn"], preview["profile"]["displayName"]) == ("contact", True, "Alice")
    await bob.connect(made["link"])
    agents.wire.run()
    (request,) = (await done(methods, "state"))["requests"]
    assert (request["name"], request["fullName"], request["image"]) == ("Bob", "", None)
    (asked,) = alice.contact_requests()
    assert methods.event(ContactRequestAdded(asked)) == {"event": "request", "request": request}
    removed = {"event": "request_removed", "requestId": request["id"]}
    assert methods.event(ContactRequestRemoved(request["id"])) == removed
    contact = await done(methods, "accept_request", requestId=request["id"])
    assert contact["name"] == "Bob_1"  # one of that name is there already
    assert await refused(methods, "reject_request", requestId=request["id"]) == "client.error.request-gone"
    assert await refused(methods, "accept_request", requestId=request["id"]) == "client.error.request-gone"
    await done(methods, "delete_address")
    assert await done(methods, "address") is None
