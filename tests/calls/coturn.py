"""A coturn for tests: on one address, with ports of its own, ended by its process id."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simplex_calls.stun import StunClient, StunError, StunRefusedError, StunTimeoutError, StunUnreachableError

SECRET, USER, PASSWORD = "north", "alice", "sesame"
needs_coturn = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is not installed (tools/debian-packages.txt)"
)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on, by UDP or TCP."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((host, 0))
            port = int(udp.getsockname()[1])
            with contextlib.suppress(OSError):
                tcp.bind((host, port))
                return port


def command(folder: Path, port: int, *options: str, host: str = "127.0.0.1") -> list[str]:
    """How coturn is started."""
    return [
        *("turnserver", "-n", f"--listening-ip={host}", f"--relay-ip={host}", f"--listening-port={port}"),
        *("--realm=example", "--fingerprint", "--no-cli", "--allow-loopback-peers", "--log-file=stdout"),
        *("--min-port=20000", "--max-port=29999", f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}"),
        *options,
    ]


@asynccontextmanager
async def coturn(folder: Path, *options: str) -> AsyncIterator[int]:
    """Run it until it answers; its port."""
    port = free_port()
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command(folder, port, *options), stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(30):
            while not await _answers(port):
                assert process.returncode is None
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        async with StunClient.connect("127.0.0.1", port, timeout=0.3) as client:
            await client.binding()
    except StunRefusedError:
        return True
    except StunUnreachableError:
        await asyncio.sleep(0.05)  # nothing tells when it listens
        return False
    except (StunTimeoutError, StunError):
        return False
    return True
