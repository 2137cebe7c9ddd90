from __future__ import annotations

from pathlib import Path

import pytest

from simplex_calls.client import PLAIN, Client, ClientError, ServerChoice
from tests.linked import SERVER, Agents

OTHER = "smp://" + "B" * 42 + "A=:secret@smp.example.org"


async def test_the_list_of_servers_is_kept(tmp_path: Path, agents: Agents) -> None:
    async with Client(tmp_path, "Alice", [SERVER], agent=agents, key=PLAIN) as alice:
        # those that were given serve until there is a list
        assert alice.servers() == [ServerChoice(SERVER)]
        alice.set_servers([ServerChoice(SERVER, is_on=False), OTHER, OTHER])
        assert [server.hosts for server in agents.made[-1].servers] == [("smp.example.org",)]
    async with Client(tmp_path, None, [SERVER], agent=agents, key=PLAIN) as alice:
        assert alice.servers() == [ServerChoice(SERVER, is_on=False), ServerChoice(OTHER)]
        await alice.create_invitation()
        alice.set_servers([ServerChoice(OTHER, is_on=False)])
        with pytest.raises(ClientError, match="No server"):
            await alice.create_invitation()
    assert "secret" not in repr(ServerChoice(OTHER))


async def test_what_is_no_address_changes_nothing(alice: Client) -> None:
    before = alice.servers()
    with pytest.raises(ClientError, match="not valid"):
        alice.set_servers([OTHER, "smp://nonsense"])
    assert alice.servers() == before
