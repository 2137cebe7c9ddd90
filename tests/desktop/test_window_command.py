from __future__ import annotations

import argparse
import asyncio
import io
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from simplex_calls import window
from simplex_calls.catalogue import text
from simplex_calls.client import Client
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.keys import SystemKeyring
from simplex_calls.relay import RelayError
from simplex_calls.sqlcipher import os_reason

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
            async with self._factory() as home:
                client = home.client
                assert isinstance(client, Client)
                Shown.profile = client.profile.display_name if client.profile is not None else None
                Shown.servers = tuple(server.uri for server in client.servers())

        asyncio.run(look())
        return 0


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda _: tmp_path / "share")
    monkeypatch.setattr(window, "Desktop", Shown)
    monkeypatch.setattr(window, "Browser", Shown)
    # no keyring of whoever runs the tests
    monkeypatch.setattr(SystemKeyring, "is_available", lambda _: False)
    return tmp_path


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    window.add_arguments(parser)
    key = () if "--passphrase-file" in arguments else ("--key-file",)
    return window.run(parser.parse_args([*arguments, *key]))


def test_servers_are_kept_in_the_profile(places: Path) -> None:
    data = str(places / "data")
    assert run("--data", data, "--name", "Alice", "--server", SERVER, "--server", OTHER_SERVER) == 0
    assert Shown.profile == "Alice"
    given = Shown.servers
    assert given == (SERVER, OTHER_SERVER)
    assert run("--data", data) == 0
    assert (Shown.profile, Shown.servers) == ("Alice", given)
    assert run("--data", data, "--server", SERVER) == 0
    assert run("--data", data) == 0
    assert Shown.servers == (SERVER,)


def test_a_passphrase_from_a_file_and_from_the_terminal(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = places / "passphrase"
    file.write_text("correct horse battery\nnot this\n", "utf-8")
    assert run("--passphrase-file", str(file), "--name", "Alice", "--server", SERVER) == 0
    assert Shown.profile == "Alice"
    assert not list(places.glob("**/profile.key"))
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert run("--passphrase-file", "-") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: "wrong horse battery")
    assert run("--passphrase-file", "-") == 1
    assert "not the passphrase" in capsys.readouterr().err
    for content in (b"", b"\nlate", b"short", b"\xff\xfe"):
        file.write_bytes(content)
        assert run("--data", str(places / "other"), "--passphrase-file", str(file)) == 1
    assert run("--passphrase-file", str(places / "nowhere")) == 1
    assert "No such file" in capsys.readouterr().err


def test_what_the_client_refuses_is_not_kept(places: Path) -> None:
    with pytest.raises(Exception, match="not valid"):
        run("--data", str(places / "data"), "--server", "smp://nonsense")
    assert run("--data", str(places / "data")) == 0
    assert Shown.servers == ()


def test_nothing_is_used_before_the_user_has_chosen(places: Path) -> None:
    assert run("--name", "Alice") == 0
    assert Shown.servers == ()
    assert not (places / "share/relay").exists()


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
        (PermissionError(13, "Permission denied", "/x"), f"/x: {os_reason(PermissionError(13, ''))}"),
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
