"""What the chat page can ask about calls; described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

import dataclasses
from typing import Any

from simplex_calls.bridge.params import Method, Params, RequestError
from simplex_calls.bridge.shell import Shell
from simplex_calls.bridge.values import Json, call_json, call_settings_json
from simplex_calls.client import Client


class CallMethods:
    """Calls: made, taken, ended."""

    def __init__(self, client: Client, shell: Shell) -> None:
        self._client = client
        self._shell = shell

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {
            "confirm_ip_exposure": self._confirm_ip_exposure,
            "start_call": self._start_call,
            "accept": self._accept,
            "reject": self._reject,
            "hang_up": self._hang_up,
            "show_call": self._show_call,
            "paste_call": self._paste_call,
            "call_settings": self._call_settings,
            "set_call_settings": self._set_call_settings,
        }

    async def _confirm_ip_exposure(self, params: Params) -> None:
        self._client.confirm_ip_exposure(params.number("contactId"))

    async def _start_call(self, params: Params) -> Json:
        contact_id = params.number("contactId")
        self._check_ip_exposure(contact_id)
        return call_json(await self._client.start_call(contact_id, params.text("media")))

    async def _accept(self, params: Params) -> Json:
        self._check_ip_exposure(self._client.call(params.text("callId")).contact_id)
        audio_only = params.optional_flag("audioOnly") or False
        unencrypted = params.optional_flag("unencrypted") or False
        call_id = params.text("callId")
        return call_json(await self._client.accept(call_id, audio_only=audio_only, unencrypted=unencrypted))

    def _check_ip_exposure(self, contact_id: int) -> None:
        if self._client.call_route(contact_id).needs_warning:
            raise RequestError("bridge.error.ip-exposure")

    async def _reject(self, params: Params) -> Json:
        return call_json(await self._client.reject(params.text("callId")))

    async def _hang_up(self, params: Params) -> Json:
        return call_json(await self._client.hang_up(params.text("callId")))

    async def _show_call(self, params: Params) -> None:
        await self._shell.show_call(self._client.call(params.text("callId")).id)

    async def _paste_call(self, _: Params) -> None:
        if any(call.is_active for call in self._client.calls()):
            raise RequestError("bridge.error.call-active")
        await self._shell.paste_call()

    async def _call_settings(self, _: Params) -> Json:
        return call_settings_json(self._client.call_settings)

    async def _set_call_settings(self, params: Params) -> Json:
        changes: dict[str, Any] = {}
        if params.has("ringVolume"):
            changes["ring_volume"] = params.number("ringVolume")
        if params.has("isSilent"):
            changes["is_silent"] = params.flag("isSilent")
        if params.has("doNotDisturb"):
            changes["do_not_disturb"] = params.flag("doNotDisturb")
        if params.has("preview"):
            changes["preview"] = params.flag("preview")
        try:
            settings = dataclasses.replace(self._client.call_settings, **changes)
        except ValueError:
            raise RequestError("bridge.error.request") from None
        self._client.set_call_settings(settings)
        return call_settings_json(settings)
