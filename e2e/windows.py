"""The program in its own windows, off screen and open to a debugger: ``python -m e2e.windows``.

Qt runs once in a process, and wants the main thread. SIGUSR1 closes the windows of calls, as their user would.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from simplex_calls.client import PLAIN, Client, Settings
from simplex_calls.desktop.app import Desktop


def main() -> int:
    """Show the windows until they are closed; the debugger's address is printed once the chat page speaks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--server", required=True)
    options = parser.parse_args()
    logging.basicConfig(
        level=os.environ.get("SIMPLEX_CALLS_LOG", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]

    async def ready(_client: Client, _desktop: Desktop) -> None:
        # Chromium opens its port at some time of its own choice
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        print(f"debugger http://127.0.0.1:{port}", flush=True)

    def client() -> Client:
        # nothing outside of this machine is asked for anything
        return Client(options.data, options.name, [options.server], settings=Settings(ice_servers=()), key=PLAIN)

    desktop = Desktop(client, offscreen=True, fake_devices=True, debugging_port=port, on_ready=ready)

    def close_calls(*_: object) -> None:
        for window in list(desktop._calls.values()):
            if window.view is not None:
                window.view.close_window()

    signal.signal(signal.SIGUSR1, close_calls)
    return desktop.run()


if __name__ == "__main__":
    sys.exit(main())
