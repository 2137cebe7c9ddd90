"""What a browser loads at once when a call's page opens: all of it is asked for at once, and it is not much."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import aiohttp
import pytest

from simplex_calls.bridge.server import Bridge
from simplex_calls.catalogue import LANGUAGES, choose_language, chosen_language, texts
from simplex_calls.client import Client

MOST_BYTES = 150_000
"""As they are sent; the aim of a page that opens while somebody waits."""

WORKERS = ("/static/call/frames-worker.js",)
"""Loaded by the page in every call."""

_IMPORT = re.compile(r'^(?:import|export)\s(?:[^"\';]*\sfrom\s)?"([^"]+)";', re.MULTILINE)


async def fetch(http: aiohttp.ClientSession, url: str) -> tuple[str, int]:
    """A file's text, and how many bytes of it were sent."""
    async with http.get(url, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.status == 200, url
        body = await response.read()
        packed = response.headers.get("Content-Encoding") == "gzip"
    return (gzip.decompress(body) if packed else body).decode(), len(body)


async def with_imports(http: aiohttp.ClientSession, origin: str, paths: list[str]) -> dict[str, int]:
    """Modules and what they import, one after the other; the bytes of each."""
    sizes: dict[str, int] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path in sizes:
            continue
        source, sizes[path] = await fetch(http, origin + path)
        waiting += [_resolved(path, name) for name in _IMPORT.findall(source)]
    return sizes


def _resolved(path: str, name: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / name).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return str(PurePosixPath(*parts))


@pytest.fixture
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """The user's language."""
    before = chosen_language()
    choose_language(request.param)
    yield request.param
    choose_language(before)


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("language", LANGUAGES, indirect=True)
async def test_a_call_s_page_is_light(alice: Client, bridge: Bridge, language: str) -> None:
    call = await alice.start_call(1, "video")
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        html, size = await fetch(http, bridge.call_url(call.id, "websocket"))
        preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)"', html)
        others = re.findall(r'<link rel="(?:stylesheet|icon)"[^>]* href="([^"]+)"', html)
        scripts = re.findall(r'<script src="([^"]+)"', html)
        (page,) = re.findall(r'<script type="module" src="([^"]+)"', html)
        modules = await with_imports(http, bridge.origin, [page])
        # one import that is not among them costs a round trip, one that is not needed its bytes
        assert sorted(preloaded) == sorted(modules)
        workers = await with_imports(http, bridge.origin, list(WORKERS))
        rest = {path: (await fetch(http, bridge.origin + path))[1] for path in others + scripts}
    assert f"/texts/call.{language}.js" in rest
    assert "/static/call/call.css" in rest
    assert len(workers) > 1
    assert size + sum(modules.values()) + sum(workers.values()) + sum(rest.values()) <= MOST_BYTES


async def test_texts_of_a_page(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    for page, own, other in (("call", "call.hang-up", "chat.back"), ("chat", "chat.back", "call.hang-up")):
        async with http.get(f"{bridge.origin}/texts/{page}.ru.js") as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.content_type == "text/javascript"
            script = await response.text()
        begin, end = "globalThis.simplexCallsTexts=", ";\n"
        assert script.startswith(begin)
        assert script.endswith(end)
        found = json.loads(script.removeprefix(begin).removesuffix(end))
        assert found[own] == texts("ru")[own]
        assert other not in found
        # as it is, not as escapes of three times the size
        assert texts("ru")[own] in script
        async with http.get(f"{bridge.origin}/texts/{page}.ru.js", headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert await plain.text() == script


@pytest.mark.parametrize("name", ["call.xx", "error.en", "call.", ".en", "base.en", "call.en.js%00", "..%2fcall.en"])
async def test_no_texts_of_others(bridge: Bridge, http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"{bridge.origin}/texts/{name}.js") as response:
        assert response.status == 404
