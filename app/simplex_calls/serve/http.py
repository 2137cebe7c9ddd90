"""``/healthz`` on this machine: 200 when all servers serve, 503 when not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from simplex_calls.catalogue import text
from simplex_calls.serve.children import Supervisor
from simplex_calls.serve.plan import ServeError
from simplex_calls.serve.supervision import State

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def health_page(port: int, supervisor: Callable[[], Supervisor]) -> AsyncIterator[int]:
    """Serve the page while the context is open, at the port that is given; raises :class:`ServeError`.

    It tells what the supervisor's own checks found, so asking often costs nothing.
    """

    async def tell(_request: web.Request) -> web.Response:
        children = supervisor().children
        states = {name: child.state.value for name, child in children.items()}
        is_well = all(child.state is State.HEALTHY for child in children.values())
        return web.json_response({"ok": is_well, **states}, status=200 if is_well else 503)

    app = web.Application()
    app.router.add_get("/healthz", tell)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port)
        try:
            await site.start()
        except OSError:
            raise ServeError(text("serve.port.taken", port=port, protocol="TCP", host=LOOPBACK)) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
