"""The public API: one profile, its contacts, texts and calls. Documented in ``docs/api.md``.

Everything above (windows, bridge, demo, scripts, tests) uses this and nothing below.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from simplex_calls.agent.agent import Agent
from simplex_calls.agent.details import LinkKind
from simplex_calls.agent.events import AgentEvent, RatchetSync
from simplex_calls.agent.links import ConnectionLink
from simplex_calls.agent.security_code import is_same_code
from simplex_calls.archive import export_archive
from simplex_calls.background import Progress, in_thread
from simplex_calls.calls.call import CallFailure, CallProgress
from simplex_calls.calls.ice import IceConfig, IceServer, RelayPolicy
from simplex_calls.calls.ice_probe import IceVerdict, probe_ice_server
from simplex_calls.calls.manager import CallManager
from simplex_calls.calls.page import MediaPath, MediaSource, Page, PageStats
from simplex_calls.calls.state import CallState, EndReason
from simplex_calls.calls.views import CallDirection, CallPhase, CallsEvent, CallView, Consent
from simplex_calls.chat.chat import Chat
from simplex_calls.chat.contacts import CallPermission, Contact, ContactStatus
from simplex_calls.chat.errors import ChatError, ImageError
from simplex_calls.chat.events import (
    CallMessageDelivered,
    CallMessageFailed,
    CallMessageReached,
    CallMessageReceived,
    ChatEvent,
    ContactUpdated,
    ItemAdded,
    ServerStateChanged,
)
from simplex_calls.chat.history import (
    CallDetails,
    CallStatus,
    ChatItem,
    Delivery,
    Direction,
    ItemKind,
    Notice,
    NoticeDetails,
    TextDetails,
)
from simplex_calls.chat.messages import CallInvitation, CallMedia, Profile
from simplex_calls.chat.port import AgentPort
from simplex_calls.chat.requests import Request
from simplex_calls.client_calling import CallSettings, store_calling, stored_calling
from simplex_calls.client_errors import ClientError, storage_error, user_errors
from simplex_calls.client_ice import (
    ROUTES_MIGRATION,
    CallRoute,
    IceServerChoice,
    IceSettings,
    Routes,
    ServerCode,
    checked_ice,
    read_servers,
    store_ice,
    stored_ice,
)
from simplex_calls.client_network import NetworkSettings, store_network, stored_network
from simplex_calls.client_servers import ServerChoice, active, checked, store, stored
from simplex_calls.database import PLAIN, Database, DatabaseKey, Plain, StorageFault
from simplex_calls.events import Event, Events, MessageReceived, ServerConnected, ServerDisconnected, StorageFailed
from simplex_calls.servers import preset_servers
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import AddressError
from simplex_calls.smp.probe import ServerVerdict, probe_server
from simplex_calls.smp.queues import PrivateRouting
from simplex_calls.sqlcipher import os_reason

__all__ = [
    "PLAIN",
    "CallDetails",
    "CallDirection",
    "CallFailure",
    "CallMedia",
    "CallPermission",
    "CallPhase",
    "CallProgress",
    "CallRoute",
    "CallSettings",
    "CallState",
    "CallStatus",
    "CallView",
    "ChatItem",
    "Client",
    "ClientError",
    "ConnectionLink",
    "Consent",
    "Contact",
    "ContactDetails",
    "ContactStatus",
    "DatabaseKey",
    "Delivery",
    "Direction",
    "EndReason",
    "Event",
    "Events",
    "IceServerChoice",
    "IceSettings",
    "IceVerdict",
    "ItemKind",
    "LinkKind",
    "LinkPreview",
    "MediaPath",
    "MediaSource",
    "NetworkSettings",
    "Notice",
    "NoticeDetails",
    "Page",
    "PageStats",
    "Plain",
    "PrivateRouting",
    "Profile",
    "RelayPolicy",
    "ServerChoice",
    "ServerCode",
    "ServerStatus",
    "ServerVerdict",
    "Settings",
    "TextDetails",
]

logger = logging.getLogger(__name__)

DATABASE_NAME = "profile.db"

MIGRATIONS = ("CREATE TABLE client_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);", ROUTES_MIGRATION)


@dataclass(frozen=True, slots=True)
class Settings:
    """What this run of a profile begins with, in the place of what is stored in it."""

    ice_servers: tuple[str, ...] | None = field(default=None, repr=False)
    """``stun:host:port`` and ``turn:user:password@host:port`` texts; an empty list: calls within one network only."""
    relay_only: bool = False
    """Let media go through TURN servers only, so that contacts do not learn the IP address."""


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """How the connection with a contact is protected, and which servers it goes through."""

    contact_id: int
    is_quantum_resistant: bool = False
    """Whether post-quantum encryption is on in both directions."""
    wants_quantum_resistance: bool = False
    """Whether it is turned on here, with this contact."""
    security_code: str | None = field(default=None, repr=False)
    """Digits that the contact's app shows too, unless somebody is in between; ``None`` until there are keys."""
    is_verified: bool = False
    ratchet_sync: RatchetSync = RatchetSync.OK
    """Whether both sides' keys fit together, or :meth:`Client.synchronize` is needed or under way."""
    is_switching: bool = False
    """Whether a queue is being replaced, ours or theirs."""
    can_abort_switching: bool = False
    """Whether ours is, and can stay: :meth:`Client.abort_switching_queue`."""
    rcv_servers: tuple[str, ...] = ()
    snd_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """What a link will do."""

    kind: LinkKind
    profile: Profile | None = field(repr=False)
    """Whose it is, if a short link says so."""
    is_own: bool
    contact_id: int | None
    """The contact that was made by it, or waits on it."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Whether messages come from a server; ``server`` is its whole address, without password."""

    server: str
    is_connected: bool


class Client:
    """A profile: ``async with Client(folder, "Alice", ["smp://…"], key=key) as alice: …``.

    ``data_dir`` is made if it is not there and holds ``profile.db``. ``profile`` is the name that contacts see, needed
    at the first start; a stored one is kept. ``servers`` are the ``smp://`` addresses that new contacts are made
    on, as long as :meth:`set_servers` has not stored others.
    ``key`` is what the file is encrypted with; :data:`PLAIN`, said outright, leaves it readable for everybody.
    ``agent`` makes the floor below from the database, the servers and the handler of its events (the network of tests).

    Methods raise :class:`ClientError`. All belong to the event loop's thread.
    """

    def __init__(
        self,
        data_dir: Path,
        profile: str | None = None,
        servers: Sequence[str] = (),
        *,
        key: DatabaseKey | Plain,
        settings: Settings | None = None,
        agent: Callable[[Database, Sequence[ServerAddress], Callable[[AgentEvent], None]], AgentPort] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._name = profile
        self._key = None if key is PLAIN else key
        settings = settings or Settings()
        with user_errors():
            self._servers = checked(servers)
            self._given_ice = None
            if settings.ice_servers is not None:
                IceConfig.parse(settings.ice_servers, relay_only=settings.relay_only)
                self._given_ice = checked_ice(settings.ice_servers)
        self._relays_all = settings.relay_only
        # short links name published servers by their host alone
        self._make_agent = agent or partial(Agent, presets=preset_servers())
        self._database: Database | None = None
        self._network = NetworkSettings()
        self._calling = CallSettings()
        self._ice = IceSettings()
        self._agent: AgentPort | None = None
        self._running: tuple[Chat, CallManager] | None = None
        self._readers: set[Events] = set()
        self._server_status: dict[str, bool] = {}
        self._exporting = asyncio.Lock()
        self._exports: set[asyncio.Task[Any] | None] = set()

    # opening and closing

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the profile, close calls that a killed process left open, and connect to the servers."""
        if self._running is not None:
            return
        with user_errors():
            database = self._open()
            database.on_fault = self._storage_failed
            try:
                database.migrate("client", MIGRATIONS)
                kept = stored(database)
                self._servers = self._servers if kept is None else kept
                self._network = stored_network(database)
                self._calling = stored_calling(database)
                self._ice = self._starting_ice(stored_ice(database))
                chat = Chat(database, lambda handler: self._new_agent(database, handler), handler=self._chat_told)
                self._apply_network(chat)
                if chat.profile is None and self._name is not None:
                    chat.set_profile(self._name)
                manager = CallManager(
                    database,
                    chat,
                    handler=self._calls_told,
                    ice=self._ice_config,
                    relay_only=lambda contact_id: self.call_route(contact_id).is_relayed,
                    may_accept=lambda contact_id: self.call_route(contact_id).is_open,
                    ring_volume=self._ring_volume,
                    preview=lambda: self._calling.preview,
                )
                self._database, self._running = database, (chat, manager)
                # before anything is received: a call that is over must be so when the other side's next message comes
                manager.start()
                await chat.start()
            except BaseException:
                self._database, self._running = None, None
                database.close()
                raise

    def _new_agent(self, database: Database, handler: Callable[[AgentEvent], None]) -> AgentPort:
        self._agent = self._make_agent(database, active(self._servers), handler)
        self._agent.configure_network(self._network.config())
        return self._agent

    def _open(self) -> Database:
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._data_dir / DATABASE_NAME
            # nobody else on this machine may read it, whatever the folder allows
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise ClientError("client.error.profile", detail=f"{self._data_dir}: {os_reason(error)}") from None
        return Database(path, key=self._key)

    async def stop(self) -> None:
        """End calls, disconnect and close the profile; what was not sent goes out after the next start."""
        if self._running is None or self._database is None:
            return
        chat, manager = self._running
        exports = [task for task in self._exports if task is not None]
        for task in exports:
            task.cancel()
        await asyncio.gather(*exports, return_exceptions=True)
        try:
            for part in (manager, chat):
                # a file that cannot be written any more must not keep the program from ending
                try:
                    with user_errors():
                        await part.stop()
                except ClientError as error:
                    logger.critical("not all was stored at the end: %s", error.message_id)
        finally:
            database, self._database, self._running = self._database, None, None
            for reader in list(self._readers):
                reader.close()
            database.close()

    @property
    def _chat(self) -> Chat:
        if self._running is None:
            raise ClientError("client.error.closed")
        return self._running[0]

    @property
    def _manager(self) -> CallManager:
        if self._running is None:
            raise ClientError("client.error.closed")
        return self._running[1]

    @property
    def storage_problem(self) -> str:
        """What keeps the profile's file from being read or written, for the user; empty if nothing is known to.

        Damage at its beginning is found at the start; what is met later, :class:`StorageFailed` tells.
        """
        fault = self._opened().fault
        return "" if fault is None else str(storage_error(fault))

    def _storage_failed(self, fault: StorageFault) -> None:
        self._emit(StorageFailed(fault, str(storage_error(fault))))

    # the profile

    @property
    def profile(self) -> Profile | None:
        """What contacts see of the user; ``None`` until there is a name."""
        with user_errors():
            return self._chat.profile

    def set_profile(
        self, display_name: str, full_name: str = "", image: str | None = None, *, calls_allowed: bool = True
    ) -> Profile:
        """Change what contacts see, all of it; they are told.

        ``image`` is a small square picture as a ``data:image/jpg;base64,…`` URL of at most 12,500 characters;
        ``calls_allowed`` says whether calls are welcome, unless :meth:`set_calls_allowed` says otherwise.
        """
        with user_errors():
            try:
                return self._chat.set_profile(display_name, full_name, image, calls_allowed=calls_allowed)
            except ImageError:
                raise ClientError("client.error.image") from None
            except ChatError:
                raise ClientError("client.error.name") from None

    async def export_archive(self, target: Path, passphrase: str, progress: Progress | None = None) -> None:
        """Write the whole profile, as it is now, to one file that the passphrase opens; use it in one place only then.

        It is done in a thread, while the profile is used. ``progress`` is told of the bytes that are done, and of all.
        Cancelled, nothing is left of it. Raises :class:`ProfileError`, too: its text is for the user.
        """
        task = asyncio.current_task()
        self._exports.add(task)
        try:
            async with self._exporting:
                with user_errors(), self._opened().snapshot() as snapshot:
                    await in_thread(lambda told: export_archive(snapshot, target, passphrase, progress=told), progress)
        finally:
            self._exports.discard(task)

    def _opened(self) -> Database:
        if self._database is None:
            raise ClientError("client.error.closed")
        return self._database

    def servers(self) -> list[ServerChoice]:
        """The servers of this profile, on or off."""
        return list(self._servers)

    def set_servers(self, servers: Sequence[ServerChoice | str]) -> None:
        """Make new contacts on the servers of this list that are on; contacts that there are stay where they are."""
        database = self._opened()
        with user_errors():
            chosen = checked(servers)
            store(database, chosen)
        self._servers = chosen
        if self._agent is not None:
            self._agent.use_servers(active(chosen))

    async def test_server(self, uri: str) -> ServerVerdict:
        """Connect to a server, make a queue there and delete it; raises for what is no address."""
        with user_errors():
            return await probe_server(ServerAddress.parse(uri), config=self._network.config())

    @property
    def network_settings(self) -> NetworkSettings:
        """How messages travel."""
        return self._network

    def set_network_settings(self, settings: NetworkSettings) -> None:
        """Change how messages travel, from now on; connections to servers are made anew."""
        database = self._opened()
        try:
            config = settings.config()
        except AddressError as error:
            raise ClientError("client.error.proxy", detail=error) from None
        with user_errors():
            store_network(database, settings)
        self._network = settings
        self._apply_network(self._chat)
        if self._agent is not None:
            self._agent.configure_network(config)

    @property
    def call_settings(self) -> CallSettings:
        """How calls ring."""
        database = self._opened()
        with user_errors():
            return stored_calling(database)

    def set_call_settings(self, settings: CallSettings) -> None:
        """Change how calls ring, from the next one on."""
        database = self._opened()
        with user_errors():
            store_calling(database, settings)
        self._calling = settings

    # how calls find their way

    @property
    def ice_settings(self) -> IceSettings:
        """The STUN and TURN servers that help calls, and which calls go through relays only."""
        return self._ice

    def set_ice_settings(self, settings: IceSettings) -> None:
        """Change them, from the next call on."""
        database = self._opened()
        with user_errors():
            settings = replace(settings, servers=checked_ice(settings.servers))
            store_ice(database, settings)
        self._ice = settings

    async def test_ice_server(self, uri: str) -> IceVerdict:
        """Ask a STUN server for our address, or a TURN server for a relay; raises for what is no address."""
        with user_errors():
            return await probe_ice_server(IceServer.parse(uri))

    def add_servers(self, text: str) -> ServerCode:
        """Use the servers of a code, beside those that there are; tells which were in it."""
        with user_errors():
            code = read_servers(text)
            added = {uri: IceServerChoice(uri) for uri in code.ice_servers}
            ice = checked_ice((*(choice for choice in self._ice.servers if choice.uri not in added), *added.values()))
        if code.servers:
            self.set_servers([*(choice for choice in self._servers if choice.uri not in code.servers), *code.servers])
        if added:
            self.set_ice_settings(replace(self._ice, servers=ice))
        return code

    def call_route(self, contact_id: int) -> CallRoute:
        """How a call with a contact goes, and whether the user must be told something before."""
        contact = self.contact(contact_id)
        with user_errors():
            choice, is_told = Routes(self._opened()).get(contact.id)
        is_relayed = choice
        if choice is None:
            is_relayed = self._ice.relay.hides(is_verified=self.details(contact.id).is_verified)
        return CallRoute(choice, self._relays_all or bool(is_relayed), self._ice.config().has_relay, is_told)

    def set_call_route(self, contact_id: int, relay: bool | None) -> CallRoute:  # noqa: FBT001 - a value
        """Let calls with a contact go through relays only, or directly; ``None``: as in the settings."""
        contact = self.contact(contact_id)
        with user_errors():
            Routes(self._opened()).choose(contact.id, relay)
        return self.call_route(contact.id)

    def confirm_ip_exposure(self, contact_id: int) -> None:
        """The user was told that direct calls with a contact show their IP address, and goes on."""
        contact = self.contact(contact_id)
        with user_errors():
            Routes(self._opened()).told(contact.id)

    def pasted_ice(self) -> IceConfig:
        """The servers for a call without a contact, whom nobody has verified."""
        relay_only = self._relays_all or self._ice.relay.hides(is_verified=False)
        config = replace(self._ice.config().fresh(time.time(), os.urandom), relay_only=relay_only)
        if relay_only and not config.has_relay:
            raise ClientError("client.error.no-relay")
        return config

    def _ice_config(self) -> IceConfig:
        return self._ice.config()

    def _starting_ice(self, kept: IceSettings) -> IceSettings:
        return kept if self._given_ice is None else replace(kept, servers=self._given_ice)

    def _ring_volume(self) -> int:
        """Of the tone that a caller hears while it rings on the other side; 0: none."""
        return 0 if self._calling.is_silent else self._calling.ring_volume

    def _apply_network(self, chat: Chat) -> None:
        chat.sends_receipts = self._network.receipts
        chat.wants_pq = self._network.quantum_resistance

    def server_status(self) -> list[ServerStatus]:
        """The servers that contacts are on, as far as they were heard of since the start."""
        return [ServerStatus(server, is_connected) for server, is_connected in sorted(self._server_status.items())]

    # contacts

    async def create_invitation(self) -> ConnectionLink:
        """Make a one-time link for one person; a pending contact waits for them.

        As a text it is the short link where the server keeps one, which current apps take; ``full`` is for all.
        """
        self._check_can_connect()
        with user_errors():
            return (await self._chat.create_invitation()).link

    def invitation_link(self, contact_id: int) -> ConnectionLink | None:
        """The link that a pending contact waits on; ``None`` once it was used."""
        with user_errors():
            invitation = self._chat.invitation(self.contact(contact_id).id)
        return invitation.link if invitation else None

    async def look_up_link(self, link: str | ConnectionLink) -> LinkPreview:
        """What a link is, whose, and what is known of it here, before it is used.

        Short links are asked for at their server; a one-time one is for us alone from then on.
        """
        with user_errors():
            preview, profile, contact = await self._chat.look_up_link(str(link))
        return LinkPreview(preview.kind, profile, preview.is_own, contact.id if contact else None)

    async def connect(self, link: str | ConnectionLink) -> Contact:
        """Use somebody's link. :class:`ContactConnected` tells when texts and calls can go.

        That of an address asks its owner, who may take any time, or never answer.
        """
        self._check_can_connect()
        with user_errors():
            return await self._chat.connect(str(link))

    def address(self) -> ConnectionLink | None:
        """The link by which anybody can ask to connect, if there is one."""
        with user_errors():
            return self._chat.addresses.link()

    async def create_address(self) -> ConnectionLink:
        """Make that link, or give the one that there is. :class:`ContactRequestAdded` tells who asks."""
        self._check_can_connect()
        with user_errors():
            return await self._chat.create_address()

    async def delete_address(self) -> None:
        """Delete that link with the requests that wait; who was accepted stays."""
        with user_errors():
            await self._chat.addresses.delete()

    def contact_requests(self) -> list[Request]:
        """Who asks to connect, the oldest first."""
        with user_errors():
            return self._chat.addresses.requests()

    async def accept_request(self, request_id: int) -> Contact:
        """Connect with who asked; :class:`ContactConnected` tells when texts and calls can go."""
        self._check_can_connect()
        with user_errors():
            return await self._chat.accept_request(request_id)

    def reject_request(self, request_id: int) -> None:
        """Forget who asked; they are not told, and may ask again."""
        with user_errors():
            self._chat.addresses.reject(request_id)

    def _check_can_connect(self) -> None:
        if self.profile is None:
            raise ClientError("client.error.no-profile")
        if not active(self._servers):
            # their messages come to a queue on a server of ours, whoever made the link
            raise ClientError("client.error.no-server")

    def contacts(self) -> list[Contact]:
        """All contacts, the oldest first."""
        with user_errors():
            return self._chat.contacts()

    def contact(self, contact_id: int) -> Contact:
        """One contact."""
        with user_errors():
            try:
                return self._chat.contact(contact_id)
            except ChatError:
                raise ClientError("client.error.no-contact") from None

    def details(self, contact_id: int) -> ContactDetails:
        """How the connection with a contact is protected, and which servers it goes through."""
        contact = self.contact(contact_id)
        if contact.connection_id is None or self._agent is None:
            return ContactDetails(contact.id)
        with user_errors():
            code = self._agent.security_code(contact.connection_id)
            receiving, sending = self._agent.servers_of(contact.connection_id)
            return ContactDetails(
                contact.id,
                is_quantum_resistant=self._agent.is_quantum_resistant(contact.connection_id),
                wants_quantum_resistance=self._agent.wants_pq(contact.connection_id),
                security_code=code,
                # a mark for other keys is none
                is_verified=code is not None and contact.verified_code == code,
                ratchet_sync=self._agent.ratchet_sync(contact.connection_id),
                is_switching=self._agent.is_switching(contact.connection_id),
                can_abort_switching=self._agent.can_abort_switching(contact.connection_id),
                rcv_servers=tuple(server.hosts[0] for server in receiving),
                snd_servers=tuple(server.hosts[0] for server in sending),
            )

    def verify(self, contact_id: int, code: str | None) -> bool:
        """Mark a contact as verified if ``code`` is their security code, however it is spaced.

        ``None`` takes the mark away. Tells whether the contact is verified now.
        """
        contact = self.contact(contact_id)
        own = self.details(contact.id).security_code
        if code is None:
            with user_errors():
                self._chat.set_verified_code(contact.id, None)
            return False
        if own is None or not is_same_code(own, code):
            return False
        with user_errors():
            self._chat.set_verified_code(contact.id, own)
        return True

    def set_calls_allowed(self, contact_id: int, allowed: bool | None) -> Contact:  # noqa: FBT001 - a value
        """Welcome a contact's calls, or not; ``None``: as in the profile. They are told."""
        contact = self.contact(contact_id)
        with user_errors():
            return self._chat.set_calls_allowed(contact.id, allowed)

    def set_audio_only(self, contact_id: int, *, on: bool) -> Contact:
        """Take a contact's video calls with our camera off, until it is turned on in the call. They are not told."""
        contact = self.contact(contact_id)
        with user_errors():
            return self._chat.set_audio_only(contact.id, on=on)

    def set_quantum_resistance(self, contact_id: int, *, on: bool) -> None:
        """Turn post-quantum encryption with a contact on or off; it takes effect with the next messages of both."""
        contact = self.contact(contact_id)
        if contact.connection_id is None or self._agent is None:
            raise ClientError("client.error.not-connected")
        with user_errors():
            self._agent.set_pq(contact.connection_id, on=on)

    def synchronize(self, contact_id: int) -> None:
        """Agree on new keys with a contact whose messages cannot be read any more."""
        contact = self.contact(contact_id)
        if contact.connection_id is None or self._agent is None:
            raise ClientError("client.error.not-connected")
        with user_errors():
            self._agent.synchronize_ratchet(contact.connection_id)

    async def switch_queue(self, contact_id: int) -> None:
        """Receive from a contact in another queue, on another server if there is one.

        It completes when both were online; ``is_switching`` of the details is true meanwhile, and the history tells.
        """
        contact = self.contact(contact_id)
        if contact.connection_id is None or self._agent is None:
            raise ClientError("client.error.not-connected")
        with user_errors():
            await self._agent.switch_receiving_queue(contact.connection_id)

    def abort_switching_queue(self, contact_id: int) -> None:
        """Keep the queue that is being replaced, as long as the contact was not told to use the new one."""
        contact = self.contact(contact_id)
        if contact.connection_id is None or self._agent is None:
            raise ClientError("client.error.not-connected")
        with user_errors():
            self._agent.abort_switching_queue(contact.connection_id)

    async def delete_contact(self, contact_id: int, *, tell: bool = True) -> None:
        """Remove a contact with their history; they are told if ``tell``, calls with them end."""
        contact = self.contact(contact_id)
        with user_errors():
            self._manager.contact_lost(contact.id)
            await self._chat.delete_contact(contact.id, tell=tell)

    # texts

    def send_text(self, contact_id: int, text: str) -> ChatItem:
        """Send a text; :class:`ItemUpdated` tells of its delivery."""
        if not text.strip():
            raise ClientError("client.error.empty-text")
        with user_errors():
            return self._chat.send_text(self.contact(contact_id).id, text)

    def send_texts(self, contact_id: int, texts: Sequence[str]) -> list[ChatItem]:
        """Send several texts, in one message where the contact's program takes that."""
        if any(not text.strip() for text in texts):
            raise ClientError("client.error.empty-text")
        with user_errors():
            return self._chat.send_texts(self.contact(contact_id).id, texts)

    def mark_read(self, contact_id: int) -> None:
        """The user has read the conversation: ``contact.unread`` is 0."""
        with user_errors():
            self._chat.mark_read(self.contact(contact_id).id)

    def edit_text(self, item_id: int, text: str) -> ChatItem:
        """Change an own text. Calls cannot be changed."""
        if not text.strip():
            raise ClientError("client.error.empty-text")
        with user_errors():
            return self._chat.edit_text(item_id, text)

    def delete_item(self, item_id: int, *, for_everyone: bool = False) -> None:
        """Remove a text here, and an own one at the contact's too if ``for_everyone``. Calls cannot be removed."""
        with user_errors():
            self._chat.delete_item(item_id, for_everyone=for_everyone)

    def history(self, contact_id: int, *, limit: int = 50, before: int | None = None) -> list[ChatItem]:
        """The newest ``limit`` texts, calls and notices (of those with ids below ``before``), the oldest first."""
        with user_errors():
            return self._chat.history(self.contact(contact_id).id, limit=limit, before=before)

    def clear_history(self, contact_id: int) -> None:
        """Remove the whole conversation with a contact, calls included."""
        with user_errors():
            self._chat.clear_history(self.contact(contact_id).id)

    # calls

    def calls(self) -> list[CallView]:
        """The calls that ring or are active, and after them the latest that are over, newest first."""
        with user_errors():
            return self._manager.calls()

    def call(self, call_id: str) -> CallView:
        """One of :meth:`calls`."""
        with user_errors():
            return self._manager.call(call_id)

    async def start_call(self, contact_id: int, media: CallMedia | str) -> CallView:
        """Call a contact. :class:`PageWanted` follows: attach a page. If they ring, their call is accepted."""
        try:
            media = CallMedia(media)
        except ValueError:
            raise ClientError("client.error.media") from None
        contact = self.contact(contact_id)
        if not contact.is_connected:
            raise ClientError("client.error.not-connected")
        if contact.call_permission is CallPermission.WE_REFUSE:
            raise ClientError("client.error.calls-not-wanted")
        if not contact.calls_allowed:
            raise ClientError("client.error.calls-not-allowed")
        with user_errors():
            return self._manager.start_call(contact.id, media)

    async def accept(self, call_id: str, *, audio_only: bool = False, unencrypted: bool = False) -> CallView:
        """Take a call that rings; an active one ends. :class:`PageWanted` follows: attach a page.

        ``audio_only``: our camera stays off, also in a video call; the user can turn it on later. So it does with
        contacts for whom the user wants that (:meth:`set_audio_only`). ``unencrypted``: the user said yes to a call
        whose ``encrypted`` is ``False``; without that it is refused (``client.error.unencrypted``) and rings on.
        """
        contact_id = self.call(call_id).contact_id
        with user_errors():
            is_wanted = audio_only or self._chat.contact(contact_id).audio_only
            return self._manager.accept(call_id, audio_only=is_wanted, unencrypted=unencrypted)

    async def consent(self, call_id: str) -> CallView:
        """Go on without frame encryption: the user's yes, where a call's ``consent_wanted`` asks for it.

        The no is :meth:`hang_up`.
        """
        with user_errors():
            return self._manager.consent(call_id)

    async def reject(self, call_id: str) -> CallView:
        """Decline a call that rings."""
        with user_errors():
            return self._manager.reject(call_id)

    async def hang_up(self, call_id: str) -> CallView:
        """End a call."""
        with user_errors():
            return self._manager.hang_up(call_id)

    async def attach_page(self, call_id: str, page: Page) -> None:
        """Let a page carry the call's media; returns when the page is gone. A page that closes hangs up."""
        with user_errors():
            await self._manager.attach_page(call_id, page)

    # events

    def events(self) -> Events:
        """All events from now on, for one reader: ``async for event in client.events(): …``."""
        reader = Events(self._readers.discard)
        if self._running is None:
            raise ClientError("client.error.closed")
        self._readers.add(reader)
        return reader

    def _emit(self, event: Event) -> None:
        for reader in list(self._readers):
            reader.put(event)

    def _calls_told(self, event: CallsEvent) -> None:
        self._emit(event)

    def _chat_told(self, event: ChatEvent) -> None:
        if self._running is None:
            return
        manager = self._running[1]
        match event:
            case CallMessageReceived(contact_id, message, broker_time, waited):
                manager.message_received(contact_id, message, broker_time, waited)
            case CallMessageFailed(contact_id, call_id, message_type):
                manager.message_failed(contact_id, call_id, message_type)
            case CallMessageDelivered(contact_id, call_id, message_type) | CallMessageReached(
                contact_id, call_id, message_type
            ):
                if message_type is CallInvitation:
                    is_there = isinstance(event, CallMessageReached)
                    progress = CallProgress.RINGING if is_there else CallProgress.SENT
                    manager.invitation_progressed(contact_id, call_id, progress)
            case ServerStateChanged(server, connected, contact_ids):
                self._server_status[server] = connected
                change = ServerConnected if connected else ServerDisconnected
                self._emit(change(server, contact_ids))
            case _:
                self._emit(event)
                if isinstance(event, ItemAdded) and _is_received_text(event.item):
                    self._emit(MessageReceived(event.item))
                if isinstance(event, ContactUpdated) and not event.contact.is_connected:
                    manager.contact_lost(event.contact.id)


def _is_received_text(item: ChatItem) -> bool:
    return item.direction is Direction.RECEIVED and isinstance(item.details, TextDetails)
