"""The command with the real coturn and the real relay on 127.0.0.1, as a process of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import shutil
import signal
import socket
import stat
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

from simplex_calls.serve import cli
from simplex_calls.serve.folder import Folder
from simplex_calls.stun import StunClient, StunRefusedError, time_limited

pytestmark = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is not installed (tools/debian-packages.txt)"
)

COMMAND = (sys.executable, "-m", "simplex_calls")
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

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = Folder(folder)
        self.port, self.turn_port, self.turns_port, self.health_port = ports
        self.options = (
            *("--user", "root", "--host", "127.0.0.1", "--data", str(folder)),
            *("--port", str(self.port), "--turn-port", str(self.turn_port), "--turns-port", str(self.turns_port)),
            *("--relayed-ports", "40000-40100", "--health", str(self.health_port)),
        )
        self.output = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "serve",
            *self.options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"LANGUAGE": "en"},
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
    servers = Servers(tmp_path / "data", free_ports(4))
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
        assert f"turn::{secret}@127.0.0.1:{servers.turn_port}?transport=udp" in shown

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
