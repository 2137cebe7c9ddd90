from __future__ import annotations

from typing import Any

from simplex_calls.agent.events import RatchetSync
from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.client import Client
from tests.bridge.people import FakeShell
from tests.linked import Agents


async def ask(client: Client, method: str, **params: Any) -> Any:
    answer = await ChatMethods(client, FakeShell()).answer({"id": 1, "method": method, "params": params})
    assert answer is not None
    return answer.get("result", answer.get("error", {}).get("code"))


async def test_codes_are_compared(alice: Client, bob: Client, agents: Agents) -> None:
    details = await ask(alice, "details", contactId=1)
    assert details["isQuantumResistant"] is True
    assert details["isVerified"] is False
    assert details["receivingServers"] == []
    assert details["sendingServers"] == ["peer.example.org"]
    code = details["securityCode"]
    assert code == (await ask(bob, "details", contactId=1))["securityCode"]
    other = await ask(alice, "verify", contactId=1, code="1" + code)
    assert (other["isSame"], other["isVerified"]) == (False, False)
    same = await ask(alice, "verify", contactId=1, code=code.replace(" ", ""))
    assert (same["isSame"], same["isVerified"]) == (True, True)
    (contact,) = (await ask(alice, "state"))["contacts"]
    assert contact["isVerified"] is True
    # a mark for other keys is none
    agents.made[0].peers[1] = (agents.made[1], 77)
    assert (await ask(alice, "details", contactId=1))["isVerified"] is False
    dropped = await ask(alice, "verify", contactId=1)
    assert (dropped["isSame"], dropped["isVerified"]) == (False, False)


async def test_calls_of_a_contact(alice: Client, bob: Client, agents: Agents) -> None:
    contact = await ask(alice, "set_calls_allowed", contactId=1, isAllowed=False)
    assert (contact["callsAllowed"], contact["callPermission"]) == (False, "we-refuse")
    assert (await ask(alice, "details", contactId=1))["ownCallsAllowed"] is False
    agents.wire.run()
    assert bob.contact(1).call_permission.value == "they-refuse"
    alice.confirm_ip_exposure(1)
    assert await ask(alice, "start_call", contactId=1, media="audio") == "client.error.calls-not-wanted"
    bob.confirm_ip_exposure(1)
    assert await ask(bob, "start_call", contactId=1, media="audio") == "client.error.calls-not-allowed"
    assert (await ask(alice, "set_calls_allowed", contactId=1))["callPermission"] == "both"


async def test_quantum_resistance_is_switched(alice: Client, bob: Client) -> None:
    assert await ask(alice, "set_quantum_resistance", contactId=1, isOn=False) is None
    assert (await ask(alice, "details", contactId=1))["isQuantumResistant"] is False
    assert (await ask(alice, "details", contactId=1))["wantsQuantumResistance"] is False
    assert (await ask(bob, "details", contactId=1))["wantsQuantumResistance"] is True


async def test_the_picture_of_the_profile(alice: Client, bob: Client, agents: Agents) -> None:
    image = "data:image/jpg;base64,/9j/wAALCAABAAEBAREA"
    profile = await ask(alice, "set_profile", displayName="Alice", image=image, callsAllowed=False)
    assert (profile["image"], profile["callsAllowed"]) == (image, False)
    agents.wire.run()
    (contact,) = (await ask(bob, "state"))["contacts"]
    assert (contact["image"], contact["callPermission"]) == (image, "they-refuse")
    assert await ask(alice, "set_profile", displayName="Alice", image="x") == "client.error.image"


async def test_the_receiving_address_is_changed(alice: Client, bob: Client, agents: Agents) -> None:
    assert (await ask(alice, "details", contactId=1))["isSwitching"] is False
    assert await ask(alice, "switch_queue", contactId=1) is None
    assert (await ask(alice, "details", contactId=1))["isSwitching"] is True
    assert await ask(alice, "switch_queue", contactId=1) == "client.error.connection"
    assert (await ask(alice, "details", contactId=1))["canAbortSwitching"] is True
    assert await ask(alice, "abort_switching", contactId=1) is None
    assert await ask(alice, "abort_switching", contactId=1) == "client.error.connection"
    assert (await ask(alice, "details", contactId=1))["canAbortSwitching"] is False
    assert (await ask(alice, "details", contactId=1))["isSwitching"] is False
    agents.made[0].sync[1] = RatchetSync.REQUIRED
    assert await ask(alice, "switch_queue", contactId=1) == "client.error.keys-needed"
    assert await ask(alice, "send_text", contactId=1, text="Hi") == "client.error.keys-needed"
