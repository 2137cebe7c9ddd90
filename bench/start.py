"""Start-up: a profile with 10,000 contacts and 1,000,000 texts against an empty one, and SQLCipher's price."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from simplex_calls.client import Client, Settings
from simplex_calls.database import Database, DatabaseKey
from simplex_calls.events import ContactConnected
from simplex_calls.relay import Relay, RelayConfig

CONTACTS = 10_000
TEXTS = 1_000_000
RUNS = 9
KEY = DatabaseKey(bytes(range(32)))

# The process that is measured: from the interpreter's first line to a conversation that can be shown.
_PROGRAM = """
import sys, time
began = time.perf_counter()
import asyncio, json
from pathlib import Path
from simplex_calls.client import Client, Settings
from simplex_calls.database import DatabaseKey

async def main():
    imported = time.perf_counter()
    key = DatabaseKey(bytes(range(32)))
    async with Client(Path(sys.argv[1]), "Alice", [sys.argv[2]], key=key, settings=Settings(ice_servers=())) as client:
        ready = time.perf_counter()
        contacts = client.contacts()
        listed = time.perf_counter()
        if contacts:
            assert len(client.history(contacts[-1].id)) == 50
        shown = time.perf_counter()
        slowest, last = 0.0, time.perf_counter()
        while last - shown < float(sys.argv[3]):
            await asyncio.sleep(0)
            now = time.perf_counter()
            slowest, last = max(slowest, now - last), now
    print(json.dumps({"import": imported - began, "open": ready - imported, "list": listed - ready,
                      "page": shown - listed, "all": shown - began, "pause": slowest}))

asyncio.run(main())
"""


def measure_start() -> str:
    """The tables of docs/benchmarks.md."""
    with tempfile.TemporaryDirectory(prefix="simplex-calls-bench-") as name:
        folder = Path(name)
        server = asyncio.run(_prepare(folder))
        rows: dict[str, list[dict[str, float]]] = {"empty": [], "full": []}
        _start(folder / "empty", server)  # modules are compiled when they are first imported
        for _ in range(RUNS):
            # in turn, so that what disturbs the machine disturbs both
            for kind in rows:
                rows[kind].append(_start(folder / kind, server))
        prices = _prices(folder)
    lines = [
        "| profile | imports, ms | open to ready, ms | contacts, ms | a conversation, ms | together, ms | × empty |",
        "|---|---|---|---|---|---|---|",
    ]
    empty = _median(rows["empty"], "all")
    for kind, label in (("empty", "empty"), ("full", f"{CONTACTS:,} contacts, {TEXTS:,} texts")):
        times = " | ".join(
            f"{1000 * _median(rows[kind], part):.0f}" for part in ("import", "open", "list", "page", "all")
        )
        lines.append(f"| {label} | {times} | {_median(rows[kind], 'all') / empty:.2f} |")
    lines += [
        "",
        f"Medians of {RUNS} starts of each, in turn. Most of what a full profile costs more is the list of "
        f"{CONTACTS:,} contacts.",
        "",
        prices,
    ]
    return "\n".join(lines)


def _median(rows: list[dict[str, float]], part: str) -> float:
    return statistics.median(row[part] for row in rows)


def _start(folder: Path, server: str, watched: float = 0.0) -> dict[str, float]:
    command = [sys.executable, "-c", _PROGRAM, str(folder), server, str(watched)]
    # compiled modules are kept, as where the package is installed, whatever this machine's habit
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout)
    return result


async def _prepare(folder: Path) -> str:
    """An empty profile, and one with a contact that is multiplied; on a server that is gone when this returns."""
    async with Relay(RelayConfig(port=0)) as relay:
        server = relay.address.uri()
        settings = Settings(ice_servers=())
        async with (
            Client(folder / "empty", "Alice", [server], key=KEY, settings=settings),
            Client(folder / "full", "Alice", [server], key=KEY, settings=settings) as alice,
            Client(folder / "other", "Bob", [server], key=KEY, settings=settings) as bob,
        ):
            events = alice.events()
            await bob.connect(str(await alice.create_invitation()))
            async for event in events:
                if isinstance(event, ContactConnected):
                    break
            alice.send_text(alice.contacts()[0].id, "One of very many, and as long as most of them are")
            await asyncio.sleep(0.5)
    with closing(Database(folder / "full" / "profile.db", key=KEY)) as database:
        with database.transaction():
            _multiply(database)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return server


def _multiply(database: Database) -> None:
    """Copy all rows of the one contact for others, with numbers and ids of their own."""
    tables = {
        row["name"]: [
            (column["name"], column["pk"]) for column in database.execute(f"PRAGMA table_info({row['name']})")
        ]
        for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    }
    per_contact = [
        name
        for name, columns in tables.items()
        if name in ("connections", "contacts") or "connection_id" in {column for column, _ in columns}
    ]
    # parents before children; the id of the one connection and contact is 1
    per_contact.sort(key=lambda name: name != "connections")
    for number in range(2, CONTACTS + 1):
        for name in per_contact:
            changed = {"connection_id": str(number), "name": "name || ?1", "name_key": "name_key || ?1"}
            changed |= {"recipient_id": "randomblob(24)", "sender_id": "randomblob(24)"}
            if name in ("connections", "contacts"):
                changed["id"] = str(number)
            columns = [column for column, key in tables[name] if column != "id" or "id" in changed]
            values = ", ".join(changed.get(column, column) for column in columns)
            whose = "id" if name in ("connections", "contacts") else "connection_id"
            sql = f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM {name} WHERE {whose} = 1"
            database.execute(sql, (f"_{number}",) if "?1" in sql else ())
    columns = [column for column, _ in tables["chat_items"] if column != "id"]
    changed = {"contact_id": f"1 + value % {CONTACTS}", "message_id": "randomblob(12)", "text": "text || value"}
    values = ", ".join(changed.get(column, column) for column in columns)
    database.execute(
        f"INSERT INTO chat_items ({', '.join(columns)}) WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL"
        f" SELECT value + 1 FROM numbers WHERE value < {TEXTS}) SELECT {values} FROM numbers,"
        " (SELECT * FROM chat_items WHERE kind = 'text' LIMIT 1)"
    )


def _prices(folder: Path) -> str:
    """The same work on an encrypted and on a plain file, side by side."""
    work = {
        "a transaction that stores a message": _commits,
        "a page of 50 of 1,000,000 texts, not in the cache": _pages,
        "count 1,000,000 texts (reads the whole file)": _scan,
    }
    plain = folder / "plain.db"
    with closing(Database(folder / "full" / "profile.db", key=KEY)) as database:
        database.execute("ATTACH DATABASE ? AS plain KEY ''", (str(plain),))
        database.execute("SELECT sqlcipher_export('plain')").fetchall()
        database.execute("DETACH DATABASE plain")
    lines = ["| SQLCipher | plain, µs | encrypted, µs | × |", "|---|---|---|---|"]
    for label, measure in work.items():
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(5):
            for encrypted in times:
                path = folder / "full" / "profile.db" if encrypted else plain
                with closing(Database(path, key=KEY if encrypted else None)) as database:
                    times[encrypted].append(measure(database))
        without, within = (statistics.median(times[encrypted]) * 1e6 for encrypted in (False, True))
        lines.append(f"| {label} | {without:,.0f} | {within:,.0f} | {within / without:.2f} |")
    return "\n".join(lines)


def _commits(database: Database) -> float:
    count, began = 200, time.perf_counter()
    for number in range(count):
        with database.transaction():
            database.execute("UPDATE ratchets SET state = ? WHERE connection_id = ?", (os.urandom(600), number + 1))
            database.execute(
                "INSERT INTO chat_items (contact_id, direction, kind, created_at, text)"
                " VALUES (?, 'sent', 'text', 0, ?)",
                (number + 1, "as long as most of them are"),
            )
    return (time.perf_counter() - began) / count


def _pages(database: Database) -> float:
    count, began = 200, time.perf_counter()
    for number in range(count):
        database.execute(
            "SELECT * FROM chat_items WHERE contact_id = ? ORDER BY id DESC LIMIT 50", (1 + number * 47,)
        ).fetchall()
    return (time.perf_counter() - began) / count


def _scan(database: Database) -> float:
    began = time.perf_counter()
    database.execute("SELECT count(*), sum(length(text)) FROM chat_items").fetchone()
    return time.perf_counter() - began
