"""Serves the pages on 127.0.0.1, each once, and carries their messages.

A page is opened by an address with a one-time token. It gets a secret, with which it begins its session: the first
message over ``/ws``, or through the window's bridge (:meth:`Bridge.serve`). Neither is taken from anybody else: Host
and Origin must be ours, which rules out other sites and names that were made to point here.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import jinja2
from aiohttp import WSCloseCode, web

from simplex_calls.bridge.answering import Methods
from simplex_calls.bridge.files import COMPRESSIBLE, WASM_WORKERS, Compressed, find, takes_gzip, web_folder
from simplex_calls.bridge.home_methods import LockedMethods
from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.bridge.page_texts import page_texts
from simplex_calls.bridge.pages import MAX_MESSAGE_SIZE, PageGoneError, WebSocketPage
from simplex_calls.bridge.sessions import CarriedPage, ChatSession
from simplex_calls.bridge.shell import HomePort, Shell
from simplex_calls.bridge.tickets import PageKind, Ticket, Tickets
from simplex_calls.bridge.values import Json, qr_json
from simplex_calls.calls.ice import IceConfig
from simplex_calls.calls.pasted_session import PastedSession
from simplex_calls.catalogue import LANGUAGES, chosen_language, text, user_language
from simplex_calls.client import CallPhase, Client, ClientError

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
BEGIN_SECONDS = 60.0
"""How long a page that was connected may take to begin its session."""
MAX_SOCKETS = 64

_WASM_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
"""Of a worker that runs WebAssembly: it may compile that, and load files of ours; no eval, no other address."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bridge:
    """The pages of one client after the other: ``async with Bridge(client, shell) as bridge: …``.

    Without a client, ``home`` says which profile waits for its passphrase.
    """

    def __init__(
        self,
        client: Client | None,
        shell: Shell,
        home: HomePort | None = None,
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._shell = shell
        self._home = home
        self._client: Client | None = None
        self._methods = Methods({})
        self._is_ready = asyncio.Event()
        self.use(client)
        self._web = web_folder()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._web / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._compressed = Compressed()
        self._addresses = Tickets(random)
        self._sessions = Tickets(random)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._sockets: set[web.WebSocketResponse] = set()
        self._chats: set[ChatSession] = set()
        self._finishing: set[ChatSession] = set()
        self._pasted: dict[str, PastedSession] = {}
        self.has_chat = asyncio.Event()
        """Set while a chat page is open."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on a port that the system chooses."""
        application = web.Application(middlewares=[self._guard], client_max_size=1024)
        application.router.add_get("/open/{token}", self._open, allow_head=False)
        application.router.add_get("/static/{path:.+}", self._file, allow_head=False)
        application.router.add_get("/texts/{page}.{language}.js", self._texts, allow_head=False)
        application.router.add_get("/ws", self._socket, allow_head=False)
        # no log of requests: their addresses hold tokens
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all pages and stop listening."""
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await socket.close(code=WSCloseCode.GOING_AWAY)
        for session in self._chats | self._finishing:
            await session.finish()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # what the program around it uses

    async def leave(self) -> None:
        """Let the pages load anew: another client follows, or none (:meth:`use`). They wait until then."""
        self._is_ready.clear()
        self._client = None
        for session in list(self._chats):
            await session.send_away()

    def use(self, client: Client | None) -> None:
        """Serve pages with this client from now on."""
        self._client = client
        if client is not None:
            self._methods = ChatMethods(client, self._shell, self._home, self.push)
        elif self._home is not None:
            self._methods = LockedMethods(self._home, self._shell)
        self._is_ready.set()

    @property
    def origin(self) -> str:
        """The pages' origin."""
        return f"http://{HOST}:{self._port}"

    def chat_url(self, transport: str) -> str:
        """An address that opens the chat page once; ``transport`` is ``websocket`` or ``webview``."""
        return self._url(Ticket(PageKind.CHAT, transport))

    def call_url(self, call_id: str, transport: str) -> str:
        """An address that opens a call's page once."""
        return self._url(Ticket(PageKind.CALL, transport, call_id))

    def _url(self, ticket: Ticket) -> str:
        return f"{self.origin}/open/{self._addresses.issue(ticket)}"

    def add_pasted(self, ice: IceConfig) -> PastedSession:
        """A call without SimpleX, whose page :meth:`call_url` opens; those before it that had no page are forgotten."""
        self._pasted = {key: session for key, session in self._pasted.items() if not session.is_waiting}
        session = PastedSession(ice, qr_json)
        self._pasted[session.id] = session
        return session

    def end_pasted(self) -> None:
        """End the calls without SimpleX: another takes their place."""
        for session in list(self._pasted.values()):
            session.end()

    @property
    def has_pasted(self) -> bool:
        """Whether a call without SimpleX has its page open."""
        return any(session.is_open for session in self._pasted.values())

    def push(self, message: Json) -> None:
        """Tell all chat pages something."""
        for session in self._chats:
            session.push(message)

    def push_to_latest(self, message: Json) -> bool:
        """Tell the chat page that was used last something; ``False`` if there is none."""
        latest = max(self._chats, key=lambda session: session.last_request, default=None)
        if latest is not None:
            latest.push(message)
        return latest is not None

    async def serve(self, page: CarriedPage) -> None:
        """Serve a page, from the message that begins its session until it is gone; closes it."""
        try:
            ticket = await self._begin(page)
            if ticket is None:
                logger.warning("a page began no session")
            elif ticket.call_id is None:
                await self._is_ready.wait()
                await self._serve_chat(page)
            elif (pasted := self._pasted.get(ticket.call_id)) is not None:
                await self._serve_pasted(pasted, page)
            elif self._client is not None:
                await self._client.attach_page(ticket.call_id, page)
        except ClientError as error:
            logger.info("a page was not wanted any more: %s", error.message_id)
        except PageGoneError:
            logger.info("a page is gone")
        finally:
            with contextlib.suppress(PageGoneError, ConnectionError, RuntimeError):
                await page.close()

    async def _begin(self, page: CarriedPage) -> Ticket | None:
        messages = page.responses()
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                message = await anext(messages)
        except (TimeoutError, StopAsyncIteration):
            return None
        secret = message.get("session")
        ticket = self._sessions.use(secret) if isinstance(secret, str) else None
        return ticket if ticket is not None and ticket.transport == page.transport else None

    async def _serve_pasted(self, session: PastedSession, page: CarriedPage) -> None:
        try:
            await session.attach(page)
        finally:
            self._pasted.pop(session.id, None)

    async def _serve_chat(self, page: CarriedPage) -> None:
        session = ChatSession(self._client, self._methods, page, self.push)
        session.last_request = asyncio.get_running_loop().time()
        self._chats.add(session)
        # so that the page can be loaded again: this one's address is used up
        session.push({"event": "next_url", "url": self.chat_url(page.transport)})
        self.has_chat.set()
        logger.debug("a chat page began its session")
        try:
            await session.run()
        finally:
            self._chats.discard(session)
            if not self._chats:
                self.has_chat.clear()
            self._finishing = {it for it in self._finishing if it.is_busy}
            if session.is_busy:
                self._finishing.add(session)

    # requests

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer our own pages only, and give every answer the headers that keep it among them."""
        origin = request.headers.get("Origin")
        if request.headers.get("Host") != f"{HOST}:{self._port}" or (origin is not None and origin != self.origin):
            response: web.StreamResponse = web.Response(status=403, text="Forbidden")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = self._error("not-found" if error.status == 404 else "refused", error.status)
        if not response.prepared:
            for name, value in self._headers().items():
                response.headers.setdefault(name, value)
        return response

    def _policy(self, nonce: str) -> str:
        policy = (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "media-src 'self' blob:",
            "worker-src 'self'",
            f"connect-src 'self' ws://{HOST}:{self._port}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
        return "; ".join(policy)

    def _headers(self) -> Mapping[str, str]:
        return {
            "Content-Security-Policy": self._policy(secrets.token_urlsafe(16)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": (
                "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), fullscreen=(self), "
                "geolocation=()"
            ),
        }

    async def _open(self, request: web.Request) -> web.Response:
        if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
            # a browser that only guesses must not use the address up
            return web.Response(status=503, text="Not now")
        token = request.match_info["token"]
        ticket = self._addresses.use(token)
        if ticket is None:
            used = self._addresses.used(token)
            return self._error(f"used.{used.kind.value}" if used is not None else "used", 403)
        if ticket.call_id is not None and not self._is_going_on(ticket.call_id):
            return self._error("call-over", 410)
        language = user_language()
        template = "paste" if ticket.call_id in self._pasted else ticket.kind.value
        return self._page(
            template,
            200,
            language=language,
            texts=f"/texts/{template}.{language}.js",
            transport=ticket.transport,
            session=self._sessions.issue(ticket),
            call_id=ticket.call_id,
            mode=self._shell.mode.value,
            methods=self._methods.names,
            languages=LANGUAGES,
            chosen_language=chosen_language(),
        )

    def _is_going_on(self, call_id: str) -> bool:
        if call_id in self._pasted:
            return self._pasted[call_id].is_waiting
        if self._client is None:
            return False
        try:
            return self._client.call(call_id).state is not CallPhase.ENDED
        except ClientError:
            return False

    def _error(self, name: str, status: int) -> web.Response:
        return self._page(
            "error",
            status,
            language=user_language(),
            texts=None,
            transport="none",
            session=None,
            call_id=None,
            heading=text(f"bridge.page.{name}"),
            help=text(f"bridge.page.{name}.help"),
        )

    def _page(self, template: str, status: int, **values: Any) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        page = self._templates.get_template(f"{template}.html.j2").render(t=text, nonce=nonce, **values)
        headers = {"Content-Security-Policy": self._policy(nonce)}
        return web.Response(text=page, content_type="text/html", status=status, headers=headers)

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        response = await self._file_response(path, request)
        if path in WASM_WORKERS:
            # a worker has the policy of its own file
            response.headers["Content-Security-Policy"] = _WASM_POLICY
        return response

    async def _file_response(self, path: str, request: web.Request) -> web.Response:
        found = find(self._web, path)
        if found is None:
            raise web.HTTPNotFound
        file, content_type = found
        if content_type not in COMPRESSIBLE:
            body = await asyncio.to_thread(file.read_bytes)
            return web.Response(body=body, content_type=content_type)
        is_packed = takes_gzip(request.headers.get("Accept-Encoding", ""))
        read = functools.partial(self._compressed.read, file) if is_packed else file.read_bytes
        return _text_file(await asyncio.to_thread(read), content_type, is_packed=is_packed)

    async def _texts(self, request: web.Request) -> web.Response:
        texts = page_texts(request.match_info["page"], request.match_info["language"])
        if texts is None:
            raise web.HTTPNotFound
        is_packed = takes_gzip(request.headers.get("Accept-Encoding", ""))
        return _text_file(texts.packed if is_packed else texts.plain, "text/javascript", is_packed=is_packed)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        # browsers always say where a WebSocket comes from; others have no business here
        if request.headers.get("Origin") != self.origin:
            raise web.HTTPForbidden
        if len(self._sockets) >= MAX_SOCKETS:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_SIZE, compress=False)
        if not socket.can_prepare(request).ok:
            raise web.HTTPBadRequest
        socket.headers.update({"Cache-Control": "no-store"})
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await self.serve(WebSocketPage(socket))
        finally:
            self._sockets.discard(socket)
        return socket


def _text_file(body: bytes, content_type: str, *, is_packed: bool) -> web.Response:
    headers = {"Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if is_packed else {})}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
