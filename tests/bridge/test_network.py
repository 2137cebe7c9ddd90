from __future__ import annotations

from pathlib import Path
from typing import Any

from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.client import PLAIN, Client, NetworkSettings, PrivateRouting
from tests.bridge.people import FakeShell
from tests.linked import SERVER, Agents


async def ask(client: Client, method: str, **params: Any) -> Any:
    answer = await ChatMethods(client, FakeShell()).answer({"id": 1, "method": method, "params": params})
    assert answer is not None
    return answer.get("result", answer.get("error", {}).get("code"))


async def test_settings_are_changed_one_by_one_and_kept(tmp_path: Path, agents: Agents) -> None:
    async with Client(tmp_path, "Alice", [SERVER], agent=agents, key=PLAIN) as alice:
        assert await ask(alice, "network") == {
            "socksProxy": "",
            "privateRouting": "unknown",
            "quantumResistance": True,
            "receipts": True,
        }
        await ask(alice, "set_network", socksProxy=" 127.0.0.1:9050 ")
        await ask(alice, "set_network", privateRouting="always", receipts=False)
        shown = await ask(alice, "set_network", quantumResistance=False)
        config = agents.made[-1].network
        assert config is not None
        assert config.socks_proxy is not None
        assert (config.private_routing, config.socks_proxy.port) == (PrivateRouting.ALWAYS, 9050)
        await alice.create_invitation()
        assert agents.made[-1].wishes_pq == [False]
    async with Client(tmp_path, None, agent=agents, key=PLAIN) as alice:
        assert alice.network_settings == NetworkSettings(PrivateRouting.ALWAYS, "127.0.0.1:9050", False, False)
        assert await ask(alice, "network") == shown
        # it is in force before the first connection
        assert agents.made[-1].network == config


async def test_what_is_no_proxy_changes_nothing(alice: Client) -> None:
    before = alice.network_settings
    assert await ask(alice, "set_network", socksProxy="a b") == "client.error.proxy"
    assert await ask(alice, "set_network", privateRouting="sometimes") == "bridge.error.request"
    assert await ask(alice, "set_network", receipts="yes") == "bridge.error.request"
    assert alice.network_settings == before
