from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import stat
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from simplex_calls import window
from simplex_calls.catalogue import text
from simplex_calls.client import Client
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.relay import RelayError
from simplex_calls.window import remember_servers, remembered_servers

SERVER = "smp://" + "A" * 43 + "=:password@127.0.0.1:1"
OTHER_SERVER = "smp://" + "B" * 42 + "A=:password@127.0.0.1:1"


class Shown:
    """Stands in for the windows: opens the client as they do, and looks at it."""

    def __init__(self, factory: Any, **options: Any) -> None:
        Shown.options = options
        self._factory = factory

    options: dict[str, Any]
    profile: str | None = None
    servers: tuple[str, ...] = ()

    def run(self) -> int:
        async def look() -> None:
            async with self._factory() as client:
                assert isinstance(client, Client)
                Shown.profile = client.profile.display_name if client.profile is not None else None
                Shown.servers = tuple(server.uri(with_password=True) for server in client._servers)

        asyncio.run(look())
        return 0


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda _: tmp_path / "share")
    monkeypatch.setattr(window, "Desktop", Shown)
    monkeypatch.setattr(window, "Browser", Shown)
    monkeypatch.setattr(window, "RELAY_PORT", free_port())
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    window.add_arguments(parser)
    return window.run(parser.parse_args(arguments))


def test_servers_are_remembered(places: Path) -> None:
    data = str(places / "data")
    assert run("--data", data, "--name", "Alice", "--server", SERVER, "--server", OTHER_SERVER) == 0
    assert Shown.profile == "Alice"
    given = Shown.servers
    assert given == (SERVER, OTHER_SERVER)
    assert run("--data", data) == 0
    assert (Shown.profile, Shown.servers) == ("Alice", given)
    # they hold passwords
    assert stat.S_IMODE((places / "data/servers.json").stat().st_mode) == 0o600
    assert run("--data", data, "--server", SERVER) == 0
    assert run("--data", data) == 0
    assert Shown.servers == (SERVER,)


def test_what_the_client_refuses_is_not_remembered(places: Path) -> None:
    with pytest.raises(Exception, match="not valid"):
        run("--data", str(places / "data"), "--server", "smp://nonsense")
    assert remembered_servers(places / "data") == []


def test_without_servers_this_machine_s_relay_serves(places: Path) -> None:
    assert run("--name", "Alice") == 0
    (server,) = Shown.servers
    assert server.endswith(f"@127.0.0.1:{window.RELAY_PORT}")
    assert (places / "share/profile.db").exists()
    assert run("--data", str(places / "bob"), "--name", "Bob") == 0
    # all profiles of a user share it
    assert Shown.servers == (server,)
    # it is not a server that was given
    assert not (places / "bob/servers.json").exists()


def test_the_relay_takes_another_port_where_its_own_is_taken(places: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", window.RELAY_PORT))
        other.listen()
        assert run("--name", "Alice") == 0
        (server,) = Shown.servers
        assert not server.endswith(f":{window.RELAY_PORT}")
    # contacts know it by its address: it stays
    assert run() == 0
    assert Shown.servers == (server,)


def test_a_known_relay_keeps_its_port(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--name", "Alice") == 0
    with socket.socket() as other:
        other.bind(("127.0.0.1", window.RELAY_PORT))
        other.listen()
        assert run() == 1
    assert str(window.RELAY_PORT) in capsys.readouterr().err
    assert not (places / "share/relay/port").exists()
    assert run() == 0


async def test_a_relay_that_cannot_start_says_why(places: Path) -> None:
    (places / "relay").touch()
    async with AsyncExitStack() as stack:
        with pytest.raises(OSError, match="relay"):
            await window._local_relay(stack, places / "relay")


@pytest.mark.parametrize("content", ["nonsense", "5", "[5]", '{"a": 1}'])
def test_a_damaged_file_of_servers_is_told(places: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (places / "share").mkdir()
    (places / "share/servers.json").write_text(content)
    assert run() == 1
    assert str(places / "share/servers.json") in capsys.readouterr().err


def test_a_file_of_servers_is_written_whole_or_not_at_all(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_servers(places, ["one"])
    monkeypatch.setattr(os, "fdopen", lambda *_, **__: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        remember_servers(places, ["two"])
    assert json.loads((places / "servers.json").read_text()) == ["one"]


def test_options_reach_their_program(places: Path) -> None:
    assert run("--browser", "--server", SERVER) == 0
    assert Shown.options == {"opens": True}
    assert run("--browser", "--no-open", "--server", SERVER) == 0
    assert Shown.options == {"opens": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-open"], text("cli.window.no_open.alone")),
        (["--server", "https://example.org"], text("cli.window.server.form")),
    ],
)
def test_bad_options_are_told(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DesktopError("no display"), "no display"),
        (RelayError("no relay"), text("desktop.error.relay", detail="no relay")),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
    ],
)
def test_errors_are_one_line(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Shown) -> int:
        raise error

    monkeypatch.setattr(Shown, "run", fails)
    assert run() == 1
    assert capsys.readouterr().err == f"simplex-calls: {message}\n"
