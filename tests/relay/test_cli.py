"""The command, as a process of its own: what it prints, how it stops, and what it keeps when it is killed."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest

from simplex_calls.relay import Relay, RelayConfig, cli
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import Send
from simplex_calls.smp.messages import Ok
from tests.relay.blocks import BlockClient, LiveQueue, random_body

RUN = (
    "import argparse, sys; from simplex_calls.relay import cli; parser = argparse.ArgumentParser();"
    "cli.add_arguments(parser); sys.exit(cli.run(parser.parse_args()))"
)


class Process:
    """A relay in a process of its own."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.output = ""

    async def __aenter__(self) -> Process:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RUN,
            *("--port", "0", *self._options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while "Ctrl+C" not in self.output:
                line = await self.process.stdout.readline()
                assert line, self.output
                self.output += line.decode()
        (address, *_) = (line.strip() for line in self.output.splitlines() if line.startswith("    smp://"))
        self.address = ServerAddress.parse(address)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def end(self, number: signal.Signals) -> tuple[int | None, str, str]:
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()


async def test_an_accepted_message_survives_a_kill(tmp_path: Path) -> None:
    bodies = [random_body() for _ in range(5)]
    async with Process("--data", str(tmp_path)) as relay, await BlockClient.to(relay.address) as alice:
        address = relay.address
        queue = await LiveQueue.create(alice, subscribe=False)
        for body in bodies:
            assert await queue.send(alice, body) == Ok()
        assert (await relay.end(signal.SIGKILL))[0] == -signal.SIGKILL
    async with Process("--data", str(tmp_path)) as relay, await BlockClient.to(relay.address) as alice:
        assert relay.address.fingerprint == address.fingerprint
        assert await queue.bodies(alice) == bodies


async def test_every_answered_message_survives_a_kill_under_load(tmp_path: Path) -> None:
    async with Process("--data", str(tmp_path)) as relay, await BlockClient.to(relay.address) as alice:
        queue = await LiveQueue.create(alice, subscribe=False)
        bodies = [random_body(4000) for _ in range(100)]
        for body in bodies:
            alice.send(alice.encode(Send(body), queue.sender_id))
        answered = 0
        for _ in range(10):  # in the middle of it
            assert (await alice.read())[2] == Ok()
            answered += 1
        await relay.end(signal.SIGKILL)
    async with Process("--data", str(tmp_path)) as relay, await BlockClient.to(relay.address) as alice:
        kept = await queue.bodies(alice)
        assert len(kept) >= answered
        assert kept == bodies[: len(kept)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_stop_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with Process("--data", str(tmp_path)) as relay, await BlockClient.to(relay.address) as alice:
        assert relay.address.hosts == ("127.0.0.1",)
        assert "from this machine only" in relay.output
        queue = await LiveQueue.create(alice)
        await queue.send(alice, b"one")
        status, out, err = await relay.end(number)
    assert (status, err) == (0, "")
    assert "The relay has stopped" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["identity", "relay.db", "relay.reserve"]


async def test_the_password_is_not_printed(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open-sesame\n")
    options = ("--data", str(tmp_path / "relay"), "--password-file", str(secret), "--public-host", "relay.example")
    async with Process(*options) as relay:
        assert relay.address.hosts == ("relay.example",)
        assert relay.address.password is None
        assert "FINGERPRINT:PASSWORD@" in relay.output
        assert "from this machine only" not in relay.output
        local = ServerAddress(("127.0.0.1",), relay.address.port, relay.address.fingerprint)
        async with await BlockClient.to(local) as alice:
            await LiveQueue.create(alice, password="open-sesame")
        status, out, err = await relay.end(signal.SIGTERM)
    assert status == 0
    assert "open-sesame" not in relay.output + out + err


def run(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Run a command that must fail; what it says."""
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    assert cli.run(parser.parse_args(["--port", "0", *options])) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def test_errors_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "it is in use" in run(capsys, "--data", str(data), "--port", str(port))
    for path in (data / "identity" / "server.crt", data / "relay.db"):
        content = path.read_bytes()
        path.write_bytes(b"damage" * 1000)
        assert str(path.parent) in run(capsys, "--data", str(data))
        path.write_bytes(content)
    (tmp_path / "file").write_text("")
    assert "cannot be used" in run(capsys, "--data", str(tmp_path / "file"))
    assert "cannot be read" in run(capsys, "--data", str(data), "--password-file", str(tmp_path / "none"))
    assert "has no password" in run(capsys, "--data", str(data), "--password-file", str(tmp_path / "file"))
    (tmp_path / "bad").write_text("with space")
    assert "password" in run(capsys, "--data", str(data), "--password-file", str(tmp_path / "bad"))
    (tmp_path / "bad").write_bytes(b"\xff\xfe")
    assert "has no password" in run(capsys, "--data", str(data), "--password-file", str(tmp_path / "bad"))
    assert "host is not valid" in run(capsys, "--data", str(data), "--public-host", "no host")


@pytest.mark.parametrize("port", ["-1", "65536", "x", "٣"])
def test_ports_are_checked(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "--port", port)
    assert "from 0 to 65535" in capsys.readouterr().err


def test_a_wildcard_is_not_an_address() -> None:
    for host in ("0.0.0.0", "::"):
        found = cli.reachable(host)
        assert found not in ("0.0.0.0", "::")
        assert ServerAddress((found,), None, bytes(32)).hosts == (found,)


async def test_a_relay_on_all_addresses_of_a_family(tmp_path: Path) -> None:
    async with Relay(RelayConfig(host="0.0.0.0", port=0, data=tmp_path)) as relay:
        local = ServerAddress(("127.0.0.1",), relay.address.port, relay.address.fingerprint)
        async with await BlockClient.to(local) as alice:
            await LiveQueue.create(alice)
