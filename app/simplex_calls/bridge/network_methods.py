"""What the chat page can ask about how messages travel; described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

import dataclasses
from typing import Any

from simplex_calls.bridge.params import Method, Params, RequestError
from simplex_calls.bridge.values import Json
from simplex_calls.client import Client, PrivateRouting


class NetworkMethods:
    """Proxy, private routing, quantum resistance, receipts: shown and changed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {"network": self._network, "set_network": self._set_network}

    async def _network(self, _: Params) -> Json:
        settings = self._client.network_settings
        return {
            "socksProxy": settings.socks_proxy,
            "privateRouting": settings.private_routing.value,
            "quantumResistance": settings.quantum_resistance,
            "receipts": settings.receipts,
        }

    async def _set_network(self, params: Params) -> Json:
        changes: dict[str, Any] = {}
        if params.has("socksProxy"):
            changes["socks_proxy"] = params.text("socksProxy").strip()
        if params.has("privateRouting"):
            try:
                changes["private_routing"] = PrivateRouting(params.text("privateRouting"))
            except ValueError:
                raise RequestError("bridge.error.request") from None
        if params.has("quantumResistance"):
            changes["quantum_resistance"] = params.flag("quantumResistance")
        if params.has("receipts"):
            changes["receipts"] = params.flag("receipts")
        self._client.set_network_settings(dataclasses.replace(self._client.network_settings, **changes))
        return await self._network(params)
