"""What the chat page can ask about message servers; described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

from simplex_calls.bridge.params import Method, Params, RequestError
from simplex_calls.bridge.shell import HomePort, RelayMode, RelayState
from simplex_calls.bridge.values import Json, qr_json
from simplex_calls.client import Client, ClientError, ServerChoice
from simplex_calls.servers import PresetServer, PresetUse, operators
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import AddressError


class ServerMethods:
    """Servers: listed, chosen, tested; and the relay of this program."""

    def __init__(self, client: Client, home: HomePort | None) -> None:
        self._client = client
        self._home = home

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        methods: dict[str, Method] = {
            "servers": self._servers,
            "set_servers": self._set_servers,
            "test_server": self._test_server,
        }
        if self._relay() is not None:
            methods["set_relay"] = self._set_relay
        return methods

    def has_server(self) -> bool:
        """Whether new contacts can be made."""
        return any(server.is_on for server in self._client.servers())

    def _relay(self) -> RelayState | None:
        return None if self._home is None else self._home.relay()

    async def _servers(self, _: Params) -> Json:
        return self._json()

    def _json(self) -> Json:
        chosen = {server.address: server for server in self._client.servers()}
        published = []
        for operator in operators():
            servers = []
            for preset in operator.servers:
                choice = chosen.pop(preset.address, None)
                # those that are in links only are shown to who has one of them
                if choice is not None or preset.use is not PresetUse.LINKS:
                    servers.append(_preset_json(preset, choice))
            published.append({"id": operator.id, "name": operator.name, "servers": servers})
        relay = self._relay()
        mine = _address(relay)
        used = chosen.pop(mine, None) if mine is not None else None
        return {
            "operators": published,
            "own": [_own_json(choice) for choice in chosen.values()],
            "relay": None if relay is None else _relay_json(relay, is_on=used is not None and used.is_on),
        }

    async def _set_servers(self, params: Params) -> Json:
        given = [ServerChoice(item.text("uri"), item.flag("isOn")) for item in params.items("servers")]
        for choice in given:
            try:
                choice.address  # noqa: B018 - whether it is one
            except AddressError as error:
                raise ClientError("client.error.server-address", detail=error) from None
        mine = _address(self._relay())
        # the relay of this program is switched on its own
        kept = [server for server in self._client.servers() if server.address == mine]
        addresses = {server.address for server in kept}
        self._client.set_servers([*(it for it in given if it.address not in addresses), *kept])
        return self._json()

    async def _test_server(self, params: Params) -> Json:
        verdict = await self._client.test_server(params.text("uri"))
        seconds = verdict.round_trip_s
        return {"kind": verdict.kind.value, "roundTrip": None if seconds is None else round(seconds * 1000)}

    async def _set_relay(self, params: Params) -> Json:
        try:
            mode = RelayMode(params.text("mode"))
        except ValueError:
            raise RequestError("bridge.error.request") from None
        if self._home is None:
            raise RequestError("bridge.error.request")
        before = _address(self._relay())
        after = _address(await self._home.set_relay(mode, params.optional_text("host")))
        same = {address.fingerprint for address in (before, after) if address is not None}
        others = [server for server in self._client.servers() if server.address.fingerprint not in same]
        self._client.set_servers([*others, *([ServerChoice(str(after))] if after is not None else [])])
        return self._json()


def _address(relay: RelayState | None) -> ServerAddress | None:
    return None if relay is None or relay.address is None else ServerAddress.parse(relay.address)


def _preset_json(preset: PresetServer, choice: ServerChoice | None) -> Json:
    return {
        "uri": str(preset.address),
        "host": preset.address.hosts[0],
        "onion": next((host for host in preset.address.hosts if host.endswith(".onion")), None),
        "isOn": choice is not None and choice.is_on,
        "isDefault": preset.use is PresetUse.DEFAULT,
        "qr": None,
    }


def _own_json(choice: ServerChoice) -> Json:
    address = choice.address
    port = "" if address.port is None else f":{address.port}"
    return {
        "uri": choice.uri,
        "host": f"{address.hosts[0]}{port}",
        "onion": next((host for host in address.hosts[1:] if host.endswith(".onion")), None),
        "isOn": choice.is_on,
        "isDefault": False,
        "qr": qr_json(choice.uri),
    }


def _relay_json(relay: RelayState, *, is_on: bool) -> Json:
    return {
        "mode": relay.mode.value,
        "host": relay.host,
        "hosts": list(relay.hosts),
        "uri": relay.address,
        "qr": None if relay.address is None else qr_json(relay.address),
        "isOn": is_on,
    }
