from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from pathlib import Path

import aiohttp
import pytest

from simplex_calls.bridge import server as server_module
from simplex_calls.bridge.files import web_folder
from simplex_calls.bridge.pages import MAX_MESSAGE_SIZE, WebviewPage
from simplex_calls.bridge.server import Bridge
from simplex_calls.catalogue import text
from simplex_calls.client import PLAIN, CallPhase, Client
from tests.bridge.people import FakeShell, ask, next_message, open_page, session_of
from tests.linked import SERVER, Agents


async def status_of(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    async with http.get(url, headers=headers) as response:
        return response.status, await response.text()


async def raw(bridge: Bridge, request: str, limit: int = 65536) -> bytes:
    """The answer to a request that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(bridge.origin.rpartition(":")[2]))
    writer.write(request.encode() + b"\r\n\r\n")
    await writer.drain()
    answer = bytearray()
    while len(answer) < limit and (part := await reader.read(limit - len(answer))):
        answer += part
    writer.close()
    await writer.wait_closed()
    return bytes(answer)


async def test_a_page_is_served_once(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    url = bridge.chat_url("websocket")
    assert re.fullmatch(re.escape(bridge.origin) + "/open/[0-9a-f]{64}", url)
    status, html = await status_of(http, url)
    assert status == 200
    assert '<meta name="transport" content="websocket">' in html
    assert session_of(html) not in url
    status, html = await status_of(http, url)
    assert status == 403
    assert text("bridge.page.used.chat") in html
    assert text("bridge.page.used.chat.help") in html
    assert 'name="session"' not in html


async def test_unknown_addresses_open_nothing(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    status, html = await status_of(http, f"{bridge.origin}/open/{'0' * 64}")
    assert status == 403
    assert text("bridge.page.used.help") in html
    for path in ("/", "/open/", "/favicon.ico", "/static/", "/static/nothing.js", "/open/x/y"):
        assert (await status_of(http, bridge.origin + path))[0] in {403, 404}


async def test_it_listens_on_this_machine_only(bridge: Bridge) -> None:
    assert bridge.origin.startswith("http://127.0.0.1:")
    assert [site.name for site in bridge._runner.sites] == [bridge.origin]  # type: ignore[union-attr]


@pytest.mark.parametrize("host", ["localhost", "evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]"])
async def test_other_hosts_are_refused(bridge: Bridge, http: aiohttp.ClientSession, host: str) -> None:
    url = bridge.chat_url("websocket")
    port = bridge.origin.rpartition(":")[2]
    for name in (host, f"{host}:{port}" if ":" not in host and host != "127.0.0.1" else host):
        assert (await status_of(http, url, Host=name))[0] == 403
        assert (await status_of(http, f"{bridge.origin}/static/common/base.css", Host=name))[0] == 403
    # and the token is still good
    assert (await status_of(http, url))[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1"])
async def test_other_origins_are_refused(bridge: Bridge, http: aiohttp.ClientSession, origin: str) -> None:
    url = bridge.chat_url("websocket")
    assert (await status_of(http, url, Origin=origin))[0] == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(f"{bridge.origin}/ws", origin=origin)
    assert caught.value.status == 403
    assert (await status_of(http, url, Origin=bridge.origin))[0] == 200


async def test_a_websocket_without_an_origin_is_refused(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(f"{bridge.origin}/ws")
    assert caught.value.status == 403


async def test_a_plain_request_for_the_websocket_is_refused(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    assert (await status_of(http, f"{bridge.origin}/ws", Origin=bridge.origin))[0] == 400


async def test_guesses_of_a_browser_use_nothing_up(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    url = bridge.chat_url("websocket")
    assert (await status_of(http, url, **{"Sec-Purpose": "prefetch;prerender"}))[0] == 503
    for method in ("HEAD", "POST", "PUT", "OPTIONS"):
        async with http.request(method, url) as response:
            assert response.status == 405
    assert (await status_of(http, url))[0] == 200


async def test_every_answer_keeps_its_page_among_ours(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    nonces = set()
    for path in (bridge.chat_url("websocket"), "/static/common/base.css", "/nothing", "/open/0"):
        url = path if path.startswith("http") else bridge.origin + path
        async with http.get(url) as response:
            headers, html = response.headers, await response.text()
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["connect-src"].split() == ["'self'", bridge.origin.replace("http", "ws")]
        assert policy["worker-src"] == "'self'"
        found = re.fullmatch(r"'self' 'nonce-([\w-]{20,})'", policy["script-src"])
        assert found is not None
        nonces.add(found[1])
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=(self)" in headers["Permissions-Policy"]
        if "<script" in html:
            assert set(re.findall(r'nonce="([^"]+)"', html)) == {found[1]}
    assert len(nonces) == 4


async def test_only_the_blur_s_worker_may_run_webassembly(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{bridge.origin}/static/call/blur-worker.js") as response:
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self' 'wasm-unsafe-eval'",
        "connect-src": "'self'",
    }
    for path in ("call/frames-worker.js", "call/blur-core.js", "vendor/tflite-simd.js"):
        async with http.get(f"{bridge.origin}/static/{path}") as response:
            assert "wasm" not in response.headers["Content-Security-Policy"]
    async with http.get(f"{bridge.origin}/static/vendor/tflite-simd.wasm") as response:
        # with anything more, engines do not compile while they load
        assert response.headers["Content-Type"] == "application/wasm"
        assert (await response.read())[:4] == b"\0asm"


async def test_files(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    for path, kind in {
        "common/transport.js": "text/javascript",
        "call/call.css": "text/css",
        "common/icon.svg": "image/svg+xml",
        "vendor/lz-string.min.js": "text/javascript",
    }.items():
        async with http.get(f"{bridge.origin}/static/{path}") as response:
            assert response.status == 200
            assert response.content_type == kind
            assert response.charset == "utf-8"
            assert await response.read()


async def test_text_files_are_compressed_for_those_who_take_it(bridge: Bridge) -> None:
    host = bridge.origin.removeprefix("http://")

    async def get(path: str, encoding: str) -> tuple[str, bytes]:
        request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept-Encoding: {encoding}"
        head, _, body = (await raw(bridge, request, 1 << 20)).partition(b"\r\n\r\n")
        return head.decode(), body

    head, plain = await get("static/call/session.js", "identity")
    assert "Content-Encoding" not in head
    assert plain == (web_folder() / "static/call/session.js").read_bytes()
    assert "Vary: Accept-Encoding" in head
    for _ in range(2):
        head, packed = await get("static/call/session.js", "gzip, deflate, br")
        assert "Content-Encoding: gzip" in head
        assert "Vary: Accept-Encoding" in head
        assert "Cache-Control: no-store" in head
        assert f"Content-Length: {len(packed)}\r\n" in head
        assert "Content-Type: text/javascript; charset=utf-8" in head
        assert len(packed) < len(plain) / 2
        assert gzip.decompress(packed) == plain
    # pages hold secrets, whose size must not tell of them
    head, page = await get(bridge.chat_url("websocket").removeprefix(bridge.origin + "/"), "gzip")
    assert "Content-Encoding" not in head
    assert b'name="session"' in page


async def test_pages_name_only_files_that_are_served(
    bridge: Bridge, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    call_id = await calling(alice, bob, agents)
    urls = [bridge.chat_url("websocket"), bridge.call_url(call_id, "websocket"), f"{bridge.origin}/open/0"]
    for url in urls:
        _, html = await status_of(http, url)
        paths = set(re.findall(r'(?:src|href)="(/[^"]+)"', html))
        assert paths
        for path in paths:
            assert (await status_of(http, bridge.origin + path))[0] == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "/static/../templates/base.html.j2",
        "/static/%2e%2e/package.json",
        "/static/common/..%2f..%2f..%2fpyproject.toml",
        "/static/..%5c..%5cpackage.json",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd.js",
        "/static/common/transport.js%00.css",
    ],
)
async def test_no_path_leaves_the_files(bridge: Bridge, path: str) -> None:
    host = bridge.origin.removeprefix("http://")
    answer = await raw(bridge, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close")
    assert re.match(rb"HTTP/1.1 40[034] ", answer), answer[:100]


async def test_a_chat_page_s_session(
    bridge: Bridge, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    state = await ask(page, "state")
    assert state["result"]["profile"]["displayName"] == "Alice"
    assert bridge.has_chat.is_set()
    bob.send_text(1, "hello")
    agents.wire.run()
    told = await next_message(page, lambda message: message.get("event") == "item")
    assert told["item"]["text"] == "hello"
    bridge.push({"event": "accept_wanted", "callId": "x"})
    await next_message(page, lambda message: message == {"event": "accept_wanted", "callId": "x"})
    await page.close()


async def test_a_chat_page_survives_a_reload(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    url = bridge.chat_url("websocket")
    for _ in range(3):
        page = await open_page(http, bridge.origin, url)
        url = (await next_message(page, lambda message: message.get("event") == "next_url"))["url"]
        await page.close()


async def test_chat_pages_hear_of_one_another(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    first = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    await ask(first, "state")
    second = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    await ask(second, "set_profile", displayName="Ally")
    told = await next_message(first, lambda message: message.get("event") == "profile")
    assert told["profile"]["displayName"] == "Ally"
    # what only one page should do, the one does that was used last
    assert bridge.push_to_latest({"event": "page_wanted", "callId": "x", "url": "y"})
    await next_message(second, lambda message: message.get("event") == "page_wanted")
    await first.send_json({"id": 8, "method": "state"})
    assert "result" in await next_message(first, lambda message: "event" not in message)
    await first.close()
    await second.close()


async def test_a_session_begins_once(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    async with http.get(bridge.chat_url("websocket")) as response:
        session = session_of(await response.text())
    first = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    await first.send_json({"session": session})
    await next_message(first, lambda message: message.get("event") == "next_url")
    second = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    await second.send_json({"session": session})
    assert (await second.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
    assert "result" in await ask(first, "state")
    await first.close()


@pytest.mark.parametrize(
    "first",
    ['{"session": "' + "0" * 64 + '"}', '{"session": 5}', '{"id": 1, "method": "state"}', "nonsense", "[]", ""],
)
async def test_without_the_secret_there_is_no_session(bridge: Bridge, http: aiohttp.ClientSession, first: str) -> None:
    socket = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    await socket.send_str(first)
    assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
    assert not bridge.has_chat.is_set()


async def test_a_silent_socket_is_closed(
    bridge: Bridge, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "BEGIN_SECONDS", 0.01)
    socket = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE


async def test_sockets_are_counted(
    bridge: Bridge, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_SOCKETS", 1)
    first = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    assert caught.value.status == 503
    await first.close()


@pytest.mark.parametrize("bad", ["nonsense", "[1]", "x" * (MAX_MESSAGE_SIZE + 1), b"\x00"])
async def test_a_page_that_speaks_nonsense_is_closed(
    bridge: Bridge, http: aiohttp.ClientSession, bad: str | bytes
) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    await next_message(page, lambda message: message.get("event") == "next_url")
    await (page.send_bytes(bad) if isinstance(bad, bytes) else page.send_str(bad))
    assert (await page.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE


async def test_a_window_s_secret_is_for_windows(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("webview"))
    assert (await page.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE


async def test_a_window_s_session(bridge: Bridge, http: aiohttp.ClientSession) -> None:
    async with http.get(bridge.chat_url("webview")) as response:
        session = session_of(await response.text())
    said: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    closed = asyncio.Event()

    def run_script(script: str, done: object) -> None:
        said.put_nowait(json.loads(json.loads(script.removeprefix("simplexCalls.receive(")[:-1])))
        assert callable(done)
        done()

    page = WebviewPage(asyncio.get_running_loop(), run_script, closed.set)
    serving = asyncio.create_task(bridge.serve(page))
    page.post(json.dumps({"session": session}))
    page.post(json.dumps({"id": 1, "method": "state"}))
    messages = {str(message.get("event") or message.get("id")) for message in (await said.get(), await said.get())}
    assert messages == {"next_url", "1"}
    page.post("nonsense")
    await serving
    assert closed.is_set()


async def calling(alice: Client, bob: Client, agents: Agents) -> str:
    call = await alice.start_call(1, "video")
    agents.wire.run()
    return call.id


async def test_a_call_s_page(
    bridge: Bridge, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    call_id = await calling(alice, bob, agents)
    page = await open_page(http, bridge.origin, bridge.call_url(call_id, "websocket"))
    command = await next_message(page, lambda message: message["command"]["type"] == "capabilities")
    await page.send_json(
        {"corrId": command["corrId"], "resp": {"type": "capabilities", "capabilities": {"encryption": True}}}
    )
    async with asyncio.timeout(10):
        while not bob.calls():
            agents.wire.run()
            await asyncio.sleep(0)
    assert bob.calls()[0].state is CallPhase.RINGING
    assert alice.call(call_id).has_page
    await page.close()


async def test_a_reloaded_call_page_hangs_up_and_says_so(
    bridge: Bridge, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    call_id = await calling(alice, bob, agents)
    url = bridge.call_url(call_id, "websocket")
    events = alice.events()
    page = await open_page(http, bridge.origin, url)
    await next_message(page, lambda message: "command" in message)
    # a reload: the old page's socket closes, and its address is asked for again
    await page.close()
    async with asyncio.timeout(10):
        async for _ in events:
            if alice.call(call_id).state is CallPhase.ENDED:
                break
    status, html = await status_of(http, url)
    assert status == 403
    assert text("bridge.page.used.call") in html
    assert text("bridge.page.used.call.help") in html


async def test_a_call_that_is_over_has_no_page(
    bridge: Bridge, alice: Client, bob: Client, agents: Agents, http: aiohttp.ClientSession
) -> None:
    call_id = await calling(alice, bob, agents)
    url, late = bridge.call_url(call_id, "websocket"), bridge.call_url(call_id, "websocket")
    async with http.get(late) as response:
        session = session_of(await response.text())
    await alice.hang_up(call_id)
    status, html = await status_of(http, url)
    assert status == 410
    assert text("bridge.page.call-over") in html
    # also where it ended between the page and its session
    socket = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
    await socket.send_json({"session": session})
    assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
    assert (await status_of(http, bridge.call_url("nobody", "websocket")))[0] == 410


async def test_stopping_closes_pages_at_once(
    tmp_path: Path, agents: Agents, shell: FakeShell, http: aiohttp.ClientSession
) -> None:
    async with Client(tmp_path / "carol", "Carol", [SERVER], agent=agents, key=PLAIN) as carol:
        bridge = Bridge(carol, shell)
        await bridge.start()
        page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
        await ask(page, "state")
        silent = await http.ws_connect(f"{bridge.origin}/ws", origin=bridge.origin)
        stopping = asyncio.create_task(bridge.stop())
        async with asyncio.timeout(5):
            for socket in (page, silent):
                assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
            await stopping
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(bridge.origin)


async def test_when_the_client_stops_its_pages_close(
    tmp_path: Path, agents: Agents, shell: FakeShell, http: aiohttp.ClientSession
) -> None:
    carol = Client(tmp_path / "carol", "Carol", [SERVER], agent=agents, key=PLAIN)
    await carol.start()
    async with Bridge(carol, shell) as bridge:
        page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
        await ask(page, "state")
        await carol.stop()
        assert (await page.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE


async def test_no_secret_is_logged(
    bridge: Bridge, alice: Client, bob: Client, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = bridge.chat_url("websocket")
    page = await open_page(http, bridge.origin, url)
    next_url = (await next_message(page, lambda message: message.get("event") == "next_url"))["url"]
    link = (await ask(page, "create_invitation"))["result"]["link"]
    await ask(page, "send_text", contactId=1, text="between us")
    await ask(page, "connect", link=f"{link}x")
    await status_of(http, url)
    await page.send_str("nonsense between us")
    await page.close()
    for secret in (url.rpartition("/")[2], next_url.rpartition("/")[2], link, "between us"):
        assert secret not in caplog.text
