"""Why a link cannot be used."""

from __future__ import annotations

from enum import Enum


class LinkFault(Enum):
    """Why a text is not a link that can be used here."""

    NOT_A_LINK = "not a link"
    DAMAGED = "damaged"
    SHORT_LINK = "short link"
    CONTACT_ADDRESS = "contact address"
    NOT_A_CONTACT = "not a contact"
    UNKNOWN_SERVER = "unknown server"
    FORGED = "forged"
    INCOMPATIBLE = "incompatible"


class LinkError(ValueError):
    """A link cannot be used. The text says why and what to do; it never holds any part of the link."""

    def __init__(self, fault: LinkFault, detail: str = "") -> None:
        super().__init__(_TEXTS[fault] + (f" ({detail})" if detail else ""))
        self.fault = fault


_TEXTS = {
    LinkFault.NOT_A_LINK: "This is not a SimpleX link: copy the whole link, from simplex: or https: on.",
    LinkFault.DAMAGED: "This link is incomplete or damaged: ask for it again and copy all of it.",
    LinkFault.SHORT_LINK: "This is a short link, and a full one is needed here: ask for the full one-time invitation"
    " link (SimpleX apps call it the link for old clients).",
    LinkFault.CONTACT_ADDRESS: "This is a contact address, and a one-time invitation is needed here: ask for a one-time"
    " invitation link.",
    LinkFault.NOT_A_CONTACT: "This link is of a group, a channel or a relay, not of a person: ask for a one-time"
    " invitation link or a contact address.",
    LinkFault.UNKNOWN_SERVER: "This short link does not say which server it is on, and its name is none of the servers"
    " known here: ask for the full link.",
    LinkFault.FORGED: "The server did not give what this link stands for: do not use it, and ask for a new one.",
    LinkFault.INCOMPATIBLE: "This link was made by an app that speaks no version in common with this one: update both.",
}
