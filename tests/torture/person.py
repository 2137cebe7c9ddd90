"""One process of the torture tests: a client that follows orders and dies at a persistence point, or the relay."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import signal
from pathlib import Path
from typing import Any

from simplex_calls.client import (
    CallDetails,
    CallPhase,
    ChatItem,
    Client,
    ClientError,
    NoticeDetails,
    Settings,
    TextDetails,
)
from simplex_calls.client_errors import user_errors
from simplex_calls.database import DatabaseKey, watch_points
from simplex_calls.events import CallChanged, CallStats, ContactRequestAdded, PageWanted
from simplex_calls.relay import Relay, RelayConfig
from tests.calls.pages import ScriptedPage

HISTORY = 300


def run(order: dict[str, Any]) -> None:
    """Be what the order says, until the other end of the socket is gone."""
    asyncio.run(_relay(order) if order["role"] == "relay" else Person(order).run())


async def _relay(order: dict[str, Any]) -> None:
    reader, writer = await asyncio.open_unix_connection(order["socket"])
    async with Relay(RelayConfig(port=order["port"], data=Path(order["folder"]))) as relay:
        hello = {"name": order["name"], "uri": relay.address.uri(), "port": relay.address.port}
        writer.write(json.dumps(hello).encode() + b"\n")
        await reader.read()


class Person:
    """A client; dies at the persistence point ``kill_at`` (counted from the start), or from when it is told one."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._points = itertools.count(1)
        self._kill_at: int | None = order.get("kill_at")
        self._tasks: set[asyncio.Task[Any]] = set()

    def _point(self, _name: str) -> None:
        if next(self._points) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run(self) -> None:
        """Follow orders."""
        order = self._order
        reader, self._writer = await asyncio.open_unix_connection(order["socket"], limit=1 << 24)
        self._tell({"name": order["name"]})
        key = DatabaseKey(bytes.fromhex(order["key"]))
        with watch_points(self._point):
            async with Client(
                Path(order["folder"]), order["name"], [order["server"]], key=key, settings=Settings(ice_servers=())
            ) as self._client:
                self._spawn(self._watch())
                await asyncio.sleep(0)
                for request in self._client.contact_requests():
                    self._spawn(self._welcome(request.id))
                self._tell({"ready": True})
                while line := await reader.readline():
                    self._spawn(self._follow(json.loads(line)))

    async def _watch(self) -> None:
        async for event in self._client.events():
            match event:
                case PageWanted(call_id):
                    self._spawn(self._client.attach_page(call_id, ScriptedPage()))
                case ContactRequestAdded(request):
                    self._spawn(self._welcome(request.id))
                case CallChanged(call) if call.state is CallPhase.RINGING:
                    self._spawn(self._accept(call.id))
            if not isinstance(event, CallStats):
                self._tell({"event": type(event).__name__})

    async def _accept(self, call_id: str) -> None:
        try:
            await self._client.accept(call_id)
        except ClientError as error:
            self._tell({"event": f"not accepted: {error}"})

    async def _welcome(self, request_id: int) -> None:
        try:
            await self._client.accept_request(request_id)
        except ClientError as error:
            self._tell({"event": f"not welcomed: {error}"})

    async def _follow(self, order: dict[str, Any]) -> None:
        try:
            answer = await self._do(order["do"], order)
        except ClientError as error:
            answer = {"error": str(error), "error_id": error.message_id}
        except Exception as error:
            logging.exception("an order failed")
            answer = {"fault": repr(error)}
        self._tell({"answer": order["number"], **answer})

    async def _do(self, what: str, order: dict[str, Any]) -> dict[str, Any]:
        client = self._client
        match what:
            case "arm":
                self._points, self._kill_at = itertools.count(1), order["kill_at"]
            case "invite":
                return {"link": str(await client.create_invitation())}
            case "forget address":
                await client.delete_address()
            case "address":
                return {"link": str(await client.create_address())}
            case "connect":
                return {"contact": (await client.connect(order["link"])).id}
            case "send":
                for text in order["texts"]:
                    client.send_text(order["contact"], text)
                    self._tell({"sent": text})
                    await asyncio.sleep(0)
            case "call":
                await client.start_call(order["contact"], "video")
            case "hang up":
                for call in client.calls():
                    if call.state is not CallPhase.ENDED:
                        await client.hang_up(call.id)
            case "rotate":
                await client.switch_queue(order["contact"])
            case "resync":
                self._renew_keys(order["contact"])
            case "delete":
                await client.delete_contact(order["contact"])
            case "contacts":
                return {
                    "contacts": [
                        {
                            "id": contact.id,
                            "name": contact.name,
                            "status": contact.status.value,
                            "link": self._link(contact.id),
                        }
                        for contact in client.contacts()
                    ]
                }
            case "facts":
                items = client.history(order["contact"], limit=HISTORY)
                details = client.details(order["contact"])
                return {
                    "items": [_shown(item) for item in items if item.id > order["after"]],
                    "calls": [call.state.value for call in client.calls()],
                    "switching": details.is_switching,
                    "sync": details.ratchet_sync.value,
                }
        return {}

    def _renew_keys(self, contact_id: int) -> None:
        """What :meth:`Client.synchronize` does, but without need: no round leaves the keys out of step."""
        agent, connection_id = self._client._agent, self._client.contact(contact_id).connection_id
        assert agent is not None
        assert connection_id is not None
        with user_errors():
            agent.synchronize_ratchet(connection_id, force=True)

    def _link(self, contact_id: int) -> str | None:
        link = self._client.invitation_link(contact_id)
        return None if link is None else str(link)

    def _tell(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shown(item: ChatItem) -> dict[str, Any]:
    shown = {"id": item.id, "direction": item.direction.value, "kind": item.kind.value}
    match item.details:
        case TextDetails(text):
            return shown | {"text": text, "delivery": item.delivery.value if item.delivery else None}
        case CallDetails():
            return shown | {"status": item.details.status.value}
        case NoticeDetails():
            return shown | {"notice": item.details.notice.value, "count": item.details.count}
