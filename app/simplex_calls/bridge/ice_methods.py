"""What the chat page can ask about how calls find their way; described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

import dataclasses
from typing import Any

from simplex_calls.bridge.params import Method, Params
from simplex_calls.bridge.values import Json, qr_json, route_json
from simplex_calls.client import Client, IceServerChoice, IceSettings, RelayPolicy


class IceMethods:
    """STUN and TURN servers, and whose calls go through relays only: shown, changed, tested."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {
            "ice": self._ice,
            "set_ice": self._set_ice,
            "reset_ice": self._reset_ice,
            "test_ice_server": self._test_ice_server,
            "add_servers": self._add_servers,
            "call_route": self._call_route,
            "set_call_route": self._set_call_route,
        }

    async def _ice(self, _: Params) -> Json:
        return self._json()

    def _json(self) -> Json:
        settings = self._client.ice_settings
        return {
            "servers": [_server_json(choice) for choice in settings.servers],
            "relay": settings.relay.value,
            "hasRelay": settings.config().has_relay,
        }

    async def _set_ice(self, params: Params) -> Json:
        changes: dict[str, Any] = {}
        if params.has("servers"):
            given = [IceServerChoice(item.text("uri"), item.flag("isOn")) for item in params.items("servers")]
            changes["servers"] = tuple(given)
        if params.has("relay"):
            changes["relay"] = RelayPolicy(params.choice("relay", tuple(policy.value for policy in RelayPolicy)))
        self._client.set_ice_settings(dataclasses.replace(self._client.ice_settings, **changes))
        return self._json()

    async def _reset_ice(self, _: Params) -> Json:
        settings = self._client.ice_settings
        self._client.set_ice_settings(dataclasses.replace(settings, servers=IceSettings().servers))
        return self._json()

    async def _test_ice_server(self, params: Params) -> Json:
        verdict = await self._client.test_ice_server(params.text("uri"))
        seconds = verdict.round_trip_s
        return {"kind": verdict.kind.value, "roundTrip": None if seconds is None else round(seconds * 1000, 1)}

    async def _add_servers(self, params: Params) -> Json:
        code = self._client.add_servers(params.text("text"))
        return {"servers": len(code.servers), "iceServers": len(code.ice_servers)}

    async def _call_route(self, params: Params) -> Json:
        return route_json(self._client.call_route(params.number("contactId")))

    async def _set_call_route(self, params: Params) -> Json:
        return route_json(self._client.set_call_route(params.number("contactId"), params.optional_flag("relay")))


def _server_json(choice: IceServerChoice) -> Json:
    """A server; what is shown of it has no password."""
    server = choice.server
    return {
        "uri": choice.uri,
        "url": server.url,
        "isRelay": server.is_relay,
        "hasSecret": server.secret is not None,
        "isOn": choice.is_on,
        "isDefault": choice.uri in {one.uri for one in IceSettings().servers},
        "qr": qr_json(choice.uri),
    }
