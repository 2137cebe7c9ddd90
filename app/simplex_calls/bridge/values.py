"""The client's values as pages see them: JSON, described in :mod:`simplex_calls.bridge.methods`. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import segno

from simplex_calls.chat.contacts import MAX_FULL_NAME_LENGTH, clean_name
from simplex_calls.chat.history import CallDetails, TextDetails
from simplex_calls.chat.requests import Request
from simplex_calls.client import (
    CallRoute,
    CallSettings,
    CallView,
    ChatItem,
    ConnectionLink,
    Contact,
    ContactDetails,
    LinkPreview,
    Profile,
)

Json = dict[str, Any]

_QUIET_ZONE = 4


def _moment(value: datetime | None) -> int | None:
    return None if value is None else round(value.timestamp() * 1000)


def _word(value: Enum | None) -> Any:
    return None if value is None else value.value


def profile_json(profile: Profile | None) -> Json | None:
    """What a page sees of the user's profile."""
    if profile is None:
        return None
    return {
        "displayName": profile.display_name,
        "fullName": profile.full_name,
        "image": profile.image,
        "callsAllowed": profile.calls_allowed,
    }


def item_json(item: ChatItem) -> Json:
    """What a page sees of a history's item."""
    common = {
        "id": item.id,
        "contactId": item.contact_id,
        "kind": item.kind.value,
        "direction": item.direction.value,
        "createdAt": _moment(item.created_at),
        "sentAt": _moment(item.sent_at),
        "delivery": _word(item.delivery),
        "failure": _word(item.failure),
    }
    details = item.details
    if isinstance(details, TextDetails):
        return common | {
            "text": details.readable,
            "content": details.content.value,
            "preview": details.preview,
            "edited": details.edited,
            "deleted": details.deleted,
        }
    if isinstance(details, CallDetails):
        return common | {"media": details.media.value, "status": details.status.value, "duration": details.duration}
    return common | {"notice": details.notice.value, "count": details.count, "text": details.text}


def contact_json(contact: Contact, last_item: ChatItem | None, *, is_verified: bool = False) -> Json:
    """What a page sees of a contact."""
    return {
        "id": contact.id,
        "name": contact.name,
        "fullName": contact.full_name,
        "status": contact.status.value,
        "isConnected": contact.is_connected,
        "image": contact.image,
        "callsAllowed": contact.calls_allowed,
        "callPermission": contact.call_permission.value,
        "audioOnly": contact.audio_only,
        "isVerified": is_verified,
        "unread": contact.unread,
        "missedCalls": contact.missed_calls,
        "failure": _word(contact.failure),
        "createdAt": _moment(contact.created_at),
        "lastItem": _last_json(last_item) if last_item is not None else None,
    }


def _last_json(item: ChatItem) -> Json:
    """An item without its preview: lists of thousands do not show it."""
    value = item_json(item)
    return value | {"preview": None} if "preview" in value else value


def details_json(contact: Contact, details: ContactDetails, route: CallRoute) -> Json:
    """What a page sees of a contact's details."""
    code = details.security_code
    return {
        "contactId": details.contact_id,
        "isQuantumResistant": details.is_quantum_resistant,
        "wantsQuantumResistance": details.wants_quantum_resistance,
        "securityCode": code,
        "qr": None if code is None else qr_json(code),
        "isVerified": details.is_verified,
        "ratchetSync": details.ratchet_sync.value,
        "isSwitching": details.is_switching,
        "canAbortSwitching": details.can_abort_switching,
        "receivingServers": list(details.rcv_servers),
        "sendingServers": list(details.snd_servers),
        "ownCallsAllowed": contact.own_calls_allowed,
        "route": route_json(route),
    }


def route_json(route: CallRoute) -> Json:
    """How calls with a contact go."""
    return {
        "choice": route.choice,
        "isRelayed": route.is_relayed,
        "hasRelay": route.has_relay,
        "needsWarning": route.needs_warning,
    }


def call_json(call: CallView) -> Json:
    """What a page sees of a call."""
    return {
        "id": call.id,
        "contactId": call.contact_id,
        "contactName": call.contact_name,
        "media": call.media.value,
        "direction": call.direction.value,
        "state": call.state.value,
        "isActive": call.is_active,
        "hasPage": call.has_page,
        "encrypted": call.encrypted,
        "consentWanted": _word(call.consent_wanted),
        "startedAt": _moment(call.started_at),
        "connectedAt": _moment(call.connected_at),
        "endedAt": _moment(call.ended_at),
        "endReason": _word(call.end_reason),
        "failure": _word(call.failure),
        "itemId": call.item_id,
        "progress": call.progress.value,
        "duration": call.duration,
    }


def link_json(link: ConnectionLink) -> Json:
    """A link that others can use: the short one where there is one, with its code."""
    return {"link": str(link), "fullLink": link.full, "shortLink": link.short, "qr": qr_json(str(link))}


def request_json(request: Request) -> Json:
    """What a page sees of somebody who asks to connect."""
    return {
        "id": request.id,
        "name": request.name,
        "fullName": request.profile.full_name,
        "image": request.profile.image,
        "createdAt": _moment(request.created_at),
    }


def call_settings_json(settings: CallSettings) -> Json:
    """How calls ring."""
    return {
        "ringVolume": settings.ring_volume,
        "isSilent": settings.is_silent,
        "doNotDisturb": settings.do_not_disturb,
        "preview": settings.preview,
    }


def preview_json(preview: LinkPreview) -> Json:
    """What a page sees of a link before it is used."""
    profile = preview.profile
    shown = None
    if profile is not None:
        name, full_name = clean_name(profile.display_name), clean_name(profile.full_name, MAX_FULL_NAME_LENGTH)
        shown = {"displayName": name, "fullName": full_name, "image": profile.image}
    return {
        "kind": preview.kind.value,
        "profile": shown,
        "isOwn": preview.is_own,
        "contactId": preview.contact_id,
    }


def qr_json(link: str) -> Json:
    """A link as a QR code: the side of its square with the quiet zone, and its dark modules as one SVG path."""
    code = segno.make(link, error="l", micro=False, boost_error=False)
    parts: list[str] = []
    for y, row in enumerate(code.matrix):
        x = 0
        while x < len(row):
            end = x
            while end < len(row) and row[end]:
                end += 1
            if end > x:
                parts.append(f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h{end - x}v1h-{end - x}z")
            x = end + 1
    return {"size": len(code.matrix) + 2 * _QUIET_ZONE, "path": "".join(parts)}
