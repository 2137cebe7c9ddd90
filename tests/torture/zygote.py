"""Starts the processes of the torture tests: it has everything imported, and forks, which takes milliseconds.

Each line of its input is the JSON of what a process is to be; its process id is the answer.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys

from tests.torture import person


def main() -> None:
    """Fork a process for each line, until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    gc.freeze()
    # byte by byte in effect: nothing of the input may be read ahead, the children inherit the buffer
    with os.fdopen(os.dup(0), "rb", buffering=0) as orders:
        while line := orders.readline():
            child = os.fork()
            if child == 0:
                _become(json.loads(line))
            sys.stdout.write(f"{child}\n")
            sys.stdout.flush()


def _become(order: dict[str, str]) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(0)
        logging.basicConfig(
            filename=order["log"], level="INFO", format=f"%(asctime)s {os.getpid()} %(levelname)s %(name)s: %(message)s"
        )
        logging.info("---- start: %s", {name: value for name, value in order.items() if name != "key"})
        person.run(order)
        status = 0
    except BaseException:
        logging.exception("the process failed")
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
