"""The command with the real coturn and the real relay on 127.0.0.1, as a process of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

from simplex_calls.calls.ice import IceServer
from simplex_calls.calls.ice_probe import probe_ice_server
from simplex_calls.serve import cli
from simplex_calls.serve.certificates import make
from simplex_calls.serve.folder import Folder
from simplex_calls.serve.privileges import DEFAULT_USER
from simplex_calls.serve.running import Source
from simplex_calls.stun import StunClient, StunRefusedError, time_limited

pytestmark = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is not installed (tools/debian-packages.txt)"
)

CAP_NET_BIND_SERVICE = 10
COMMAND = (sys.executable, "-m", "simplex_calls")
PYTHONS = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")
PLACES = [place for place in sys.path if not place.startswith(sys.base_prefix)]
"""Where another Python of the same version finds the program and what it needs."""
PEERS = ("10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "192.0.0.8")


def free_ports(count: int) -> list[int]:
    """Ports that are free for TCP and UDP, and not those that clients get by themselves."""
    found: list[int] = []
    port = 20_000 + os.getpid() % 5_000
    while len(found) < count:
        port += 1
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        found.append(port)
    return found


class Servers:
    """A running ``serve``."""

    def __init__(self, folder: Path, ports: list[int], *options: str) -> None:
        self.folder = Folder(folder)
        self.port, self.turn_port, self.turns_port, self.health_port = ports
        self.options = (
            *("--host", "127.0.0.1", "--data", str(folder)),
            *("--port", str(self.port), "--turn-port", str(self.turn_port), "--turns-port", str(self.turns_port)),
            *("--relayed-ports", "40000-40100", "--health", str(self.health_port)),
            *options,
        )
        self.output = ""
        self.python = sys.executable

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.process = await asyncio.create_subprocess_exec(
            self.python,
            *("-m", "simplex_calls", "serve"),
            *self.options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"LANGUAGE": "en", "PYTHONPATH": os.pathsep.join(PLACES)},
        )
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(60):
                while "Ctrl+C" not in self.output:
                    line = await self.process.stdout.readline()
                    assert line, self.output + (await self.process.communicate())[1].decode()
                    self.output += line.decode()
            yield
        finally:
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGTERM)
            out, err = await self.process.communicate()
            self.output += out.decode() + err.decode()

    def pids(self) -> dict[str, int]:
        """The children, by their names."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        names = {}
        for pid in children:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            names["turn" if "turnserver" in command else "relay"] = int(pid)
        return names

    async def health(self) -> tuple[int, dict[str, object]]:
        def ask() -> tuple[int, dict[str, object]]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/healthz", timeout=10) as answer:
                    return answer.status, json.load(answer)
            except HTTPError as error:
                with error:
                    return error.code, json.load(error)

        return await asyncio.to_thread(ask)

    async def check(self, *options: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("serve", "--data", str(self.folder.path), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"LANGUAGE": "en"},
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def is_free(self) -> bool:
        for kind, port in (
            (socket.SOCK_STREAM, self.port),
            (socket.SOCK_STREAM, self.turn_port),
            (socket.SOCK_DGRAM, self.turn_port),
            (socket.SOCK_STREAM, self.turns_port),
        ):
            with socket.socket(socket.AF_INET, kind) as sock:
                if kind is socket.SOCK_STREAM:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind(("127.0.0.1", port))
                except OSError:
                    return False
        return True


async def test_the_servers(tmp_path: Path) -> None:
    given = Source(tmp_path / "tls.crt", tmp_path / "tls.key")
    write(given)
    options = ("--user", "root", "--cert", str(given.chain), "--key", str(given.key))
    servers = Servers(tmp_path / "data", free_ports(4), *options)
    async with servers.running():
        secret, password = servers.folder.secrets()[0], servers.folder.password()
        before = servers.pids()
        assert set(before) == {"relay", "turn"}
        assert await servers.health() == (200, {"ok": True, "relay": "healthy", "turn": "healthy"})
        assert await servers.check("--check") == (0, "relay: serves\nturn: serves\n")

        await allocations(servers.turn_port, secret)
        no_secrets_are_seen(servers, secret, password)
        shown = (await servers.check("--show"))[1]
        assert address(servers).replace("@", f":{password}@") in shown
        # what another machine is given is what its test of a server takes
        turn = f"turn::{secret}@127.0.0.1:{servers.turn_port}?transport="
        for transport in ("udp", "tcp"):
            assert turn + transport in shown
            assert (await probe_ice_server(IceServer.parse(turn + transport))).is_ok

        write(given)
        servers.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while not await shows(servers.turns_port, given):
                await asyncio.sleep(0.1)
        assert servers.pids() == before

        os.kill(before["turn"], signal.SIGKILL)
        async with asyncio.timeout(60):
            while (await servers.health())[0] == 200:
                await asyncio.sleep(0.02)
            while (await servers.health())[0] != 200:
                await asyncio.sleep(0.1)
        after = servers.pids()
        assert after["relay"] == before["relay"]
        assert after["turn"] != before["turn"]
    assert servers.process.returncode == 0
    assert "The servers have stopped" in servers.output
    assert "turn ended (-9), it is started again" in servers.output
    assert secret not in servers.output
    assert password not in servers.output
    assert not any(Path(f"/proc/{pid}").exists() for pid in after.values())
    assert servers.is_free()
    status, output = await servers.check("--check")
    assert status == cli.UNHEALTHY
    assert "relay: does not serve" in output
    assert "turn: does not serve" in output


def write(source: Source) -> None:
    """A new certificate where the old one was."""
    made = make(("127.0.0.1",), dt.datetime.now(dt.UTC))
    assert source.chain is not None
    assert source.key is not None
    source.chain.write_bytes(made.chain)
    source.key.write_bytes(made.key)


async def shows(port: int, source: Source) -> bool:
    assert source.chain is not None
    shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return shown.split() == source.chain.read_text().split()


async def allocations(port: int, secret: str) -> None:
    expires = time.time() + 600
    async with StunClient.connect("127.0.0.1", port) as client:
        allocation = await client.allocate(time_limited(secret, "alice", expires))
        assert str(allocation.relayed[0]) == "127.0.0.1"
        assert 40000 <= allocation.relayed[1] <= 40100
        for peer in PEERS:
            with pytest.raises(StunRefusedError) as refused:
                await client.permit(ipaddress.ip_address(peer))
            assert refused.value.code == 403, peer
        await client.permit(ipaddress.ip_address("1.1.1.1"))  # says where, and sends nothing there
        await client.release()
    for wrong in (
        time_limited("another secret", "alice", expires),
        time_limited(secret, "alice", time.time() - 60),
    ):
        async with StunClient.connect("127.0.0.1", port) as client:
            with pytest.raises(StunRefusedError) as refused:
                await client.allocate(wrong)
            assert refused.value.code == 401


def no_secrets_are_seen(servers: Servers, secret: str, password: str) -> None:
    for pid in (servers.process.pid, *servers.pids().values()):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert secret not in command
        assert password not in command
    folder = servers.folder
    for path in (folder.secret_file, folder.password_file, folder.configuration_file, folder.key_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in (folder.path, folder.turn):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    assert secret in folder.configuration_file.read_text()


def address(servers: Servers) -> str:
    return next(line.strip() for line in servers.output.splitlines() if line.startswith("    smp://"))


def may_run(path: str) -> bool:
    """Whether the user that root becomes may."""
    return subprocess.run(["setpriv", "--reuid", DEFAULT_USER, "--clear-groups", "test", "-x", path]).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
async def test_root_goes_on_as_another_user_who_may_still_open_low_ports() -> None:
    user = pwd.getpwnam(DEFAULT_USER)
    python = next(filter(may_run, PYTHONS), None)
    if python is None:
        pytest.skip("Python is in a place that only root may read")
    place = Path(tempfile.mkdtemp(prefix="simplex-calls-"))
    try:
        place.chmod(0o755)
        ports = free_ports(4)
        ports[2] = next(port for port in range(1000, 600, -1) if is_free(port))
        servers = Servers(place / "data", ports)
        servers.python = python
        async with servers.running():
            assert (await servers.health())[0] == 200
            for pid in (servers.process.pid, *servers.pids().values()):
                status = Path(f"/proc/{pid}/status").read_text()
                fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
                assert set(fields["Uid"].split()) == {str(user.pw_uid)}
                assert set(fields["Gid"].split()) == {str(user.pw_gid)}
                assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 1 << CAP_NET_BIND_SERVICE
                assert fields["NoNewPrivs"] == "1"
            assert servers.folder.secret_file.stat().st_uid == user.pw_uid
        assert servers.process.returncode == 0
    finally:
        shutil.rmtree(place)


def is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
