from __future__ import annotations

import re

from simplex_calls.servers import PresetUse, operators, preset_server, preset_servers


def test_every_published_server_has_a_name_and_an_onion_host() -> None:
    for operator in operators():
        assert any(server.use is PresetUse.DEFAULT for server in operator.servers) == (operator.id == "simplex")
        for server in operator.servers:
            name, onion = server.address.hosts
            assert name.endswith("." + operator.domain)
            assert re.fullmatch(r"[a-z2-7]{56}\.onion", onion)
            assert server.address.port is None
            assert server.address.password is None


def test_no_server_is_there_twice() -> None:
    servers = preset_servers()
    assert len({server.fingerprint for server in servers}) == len(servers)
    assert len({host for server in servers for host in server.hosts}) == 2 * len(servers)


def test_servers_are_found_by_either_host() -> None:
    for server in preset_servers():
        for host in server.hosts:
            assert preset_server(host.upper()) is server
    assert preset_server("example.org") is None
