"""The options, what they become, and what is told when they do not fit."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import pwd
import shutil
import socket
import stat
from pathlib import Path

import pytest

from simplex_calls.__main__ import main
from simplex_calls.serve import cli, running
from simplex_calls.serve.certificates import make
from simplex_calls.serve.folder import Folder
from simplex_calls.serve.plan import RELAY, TURN, Plan, ServeError
from simplex_calls.serve.ports import check_ports
from simplex_calls.serve.privileges import user_to_become


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(words)


def failing(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail; what it says."""
    assert main(["serve", "--user", "root", *words]) == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


def test_the_plan_of_the_options() -> None:
    plan = cli.plan_of(
        parsed(
            *("--public-host", "calls.example", "--public-host", "2a01:4f8::7", "--external-ip", "8.8.8.8/10.0.0.7"),
            *("--turns-port", "443", "--relayed-ports", "50000-51000", "--lan", "--only", "turn"),
        )
    )
    assert plan == Plan(
        public_hosts=("calls.example", "2a01:4f8::7"),
        external_ips=("8.8.8.8/10.0.0.7",),
        turns_port=443,
        relayed_ports=(50000, 51000),
        is_lan=True,
        parts=(TURN,),
    )


def test_what_others_reach_when_nothing_is_said() -> None:
    assert cli.plan_of(parsed("--external-ip", "8.8.8.8/10.0.0.7")).public_hosts == ("8.8.8.8",)
    assert cli.plan_of(parsed("--host", "10.0.0.7", "--host", "fd00::7")).public_hosts == ("10.0.0.7", "fd00::7")
    (sent_from,) = cli.plan_of(parsed()).public_hosts
    assert sent_from not in ("0.0.0.0", "::")
    assert cli.plan_of(parsed("--host", "0.0.0.0")).hosts == ()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--cert", "a.pem"), "belong together"),
        (("--host", "localhost"), "no IP address"),
        (("--host", "::", "--host", "10.0.0.7"), "either all"),
        (("--port", "3478"), "must be different"),
        (("--public-host", "no host"), "host is not valid"),
    ],
    ids=["cert", "name", "mixed", "ports", "public"],
)
def test_options_that_do_not_fit(
    words: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in failing(capsys, "--data", str(tmp_path / "data"), *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "0"),
        ("--turn-port", "x"),
        ("--relayed-ports", "5-4"),
        ("--external-ip", "calls.example"),
        ("--external-ip", "1.2.3.4/"),
        ("--realm", "a b"),
        ("--realm", "a\nno-auth"),
        ("--user-quota", "-1"),
        ("--metrics", "here"),
        ("--check", "--show"),
    ],
    ids=" ".join,
)
def test_options_that_are_none(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(*words)
    assert stopped.value.code == 2


def test_a_missing_coturn_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    words = ("--data", str(tmp_path), "--host", "127.0.0.1", "--only", "turn")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [str(each.getsockname()[1]) for each in (one, two)]
    assert "apt-get install coturn" in failing(capsys, *words, "--turn-port", ports[0], "--turns-port", ports[1])


def test_taken_ports_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("--data", str(tmp_path), "--host", "127.0.0.1", "--only", "relay", "--port", str(port))
        assert f"TCP port {port} of 127.0.0.1 is in use" in failing(capsys, *words)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken_udp:
        taken_udp.bind(("127.0.0.1", 0))
        port = taken_udp.getsockname()[1]
        with pytest.raises(ServeError, match=f"UDP port {port}"):
            check_ports(Plan(hosts=("127.0.0.1",), turn_port=port, parts=(TURN,)))
    with pytest.raises(ServeError, match="cannot be opened"):
        check_ports(Plan(hosts=("192.0.2.200",), port=port, parts=(RELAY,)))


def test_a_certificate_that_does_not_fit_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(("other.example",), dt.datetime.now(dt.UTC))
    (tmp_path / "c").write_bytes(made.chain)
    (tmp_path / "k").write_bytes(made.key)
    words = ("--data", str(tmp_path / "data"), "--cert", str(tmp_path / "c"), "--key", str(tmp_path / "k"))
    assert "not for calls.example, but for other.example" in failing(capsys, *words, "--public-host", "calls.example")
    assert "none cannot be used" in failing(capsys, *words, "--cert", str(tmp_path / "none"))


def test_our_certificate_is_kept_while_it_fits(tmp_path: Path) -> None:
    folder, source = Folder(tmp_path / "data"), running.Source(None, None)
    folder.prepare()
    assert running.prepare_certificate(folder, Plan(public_hosts=("a.example",)), source)
    assert not running.prepare_certificate(folder, Plan(public_hosts=("a.example",)), source)
    assert running.prepare_certificate(folder, Plan(public_hosts=("b.example",)), source)


@pytest.mark.parametrize("word", ["--check", "--show"])
def test_nothing_is_known_of_a_folder_that_nothing_was_started_with(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing was started" in failing(capsys, "--data", str(tmp_path), word)
    (tmp_path / "plan.json").write_text("{")
    assert "is damaged" in failing(capsys, "--data", str(tmp_path), word)


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.prepare()
    (secret,) = folder.secrets()
    assert len(secret) >= 40
    assert folder.secrets() == (secret,)
    assert folder.password() == folder.password() != secret
    for path in (folder.secret_file, folder.password_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder.secret_file.write_text(f"new\n\n{secret}\n")
    assert folder.secrets() == ("new", secret)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"two words\n", b"\xff\n", b"x" * 600, b"a\0b"], ids=repr)
def test_damaged_secrets_are_told(content: bytes, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.prepare()
    folder.secret_file.write_bytes(content)
    with pytest.raises(ServeError, match="without blanks"):
        folder.secrets()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in failing(capsys, "--data", str(tmp_path / "file"), "--only", "relay")


def test_the_relays_command_line_has_no_password(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.prepare()
    password = folder.password()
    plan = Plan(public_hosts=("calls.example",))
    command = running.relay_command(folder, plan, ("127.0.0.1", 9642), ipv6=True)
    assert password not in " ".join(command)
    assert command[3:8] == ("relay", "--host", "0.0.0.0", "--also", "::")
    assert command[-2:] == ("--metrics", "127.0.0.1:9642")
    lan = Plan(hosts=("10.0.0.7",), public_hosts=("10.0.0.7",), is_lan=True, is_open=True)
    command = running.relay_command(folder, lan, None, ipv6=True)
    assert "--forward-to-private" in command
    assert "--password-file" not in command
    assert "--also" not in command


def test_whom_root_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert user_to_become(None) is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert user_to_become("root") is None
    with pytest.raises(ServeError, match="no user nobody-like-that"):
        user_to_become("nobody-like-that")
    assert user_to_become("nobody") == pwd.getpwnam("nobody")
