"""Calls through relays only, in a network namespace: what Chromium's page tells, and where its packets go."""

from __future__ import annotations

import json
import mimetypes
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserType, Page, Route
from tests.calls import coturn
from tests.calls.packing import pack

from simplex_calls.calls.addresses import hides_address
from simplex_calls.calls.ice import IceConfig

WEB = Path(__file__).parent.parent / "web"
PAGE, SERVER = "198.18.7.2", "198.18.7.1"
PORT = 3478
REACH = f"""
import socket, time
while True:
    try:
        socket.create_connection(("{SERVER}", {PORT})).close()
        break
    except OSError:
        time.sleep(0.05)  # nothing tells when it listens
"""
TALK = """
async ({ servers, relay }) => {
  const { Connection } = await import("/static/call/connection.js");
  const engine = {
    createConnection: (configuration) => new RTCPeerConnection(configuration),
    createStream: () => new MediaStream(),
    codecs: (kind) => RTCRtpReceiver.getCapabilities(kind).codecs,
    clock: {
      now: () => Date.now(),
      setTimeout: (act, delay) => setTimeout(act, delay),
      clearTimeout: (timer) => clearTimeout(timer),
    },
  };
  const told = [];
  const make = (other) => {
    const settings = { iceServers: servers, relay, encryption: null, settings: () => ({ isBitrateConstant: false }) };
    const candidates = (group) => {
      told.push({ candidates: group });
      other().addCandidates(group);
    };
    return new Connection(engine, settings, { candidates, state() {}, track() {}, described() {} });
  };
  const [one, two] = [make(() => two), make(() => one)];
  const [ours, theirs] = [one.createChannel(), two.createChannel()];
  const said = new Promise((resolve) => theirs.addEventListener("message", ({ data }) => resolve(data)));
  ours.addEventListener("open", () => ours.send("hello"));
  const offer = await one.createOffer();
  const answer = await two.createAnswer(offer.description);
  told.push(offer, answer);
  two.addCandidates(offer.candidates);
  await one.acceptAnswer(answer.description);
  one.addCandidates(answer.candidates);
  const heard = await said;
  const ends = [one.descriptions.local, two.descriptions.local];
  one.close();
  two.close();
  return { heard, told, ends };
}
"""


@dataclass(frozen=True)
class Net:
    """A namespace for the page and one for the TURN server, joined by a cable."""

    page: str
    server: str


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)


@pytest.fixture
def net() -> Iterator[Net]:
    """The namespaces; skipped where they cannot be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("turnserver") is None:
        pytest.skip("needs root, iproute2 and coturn")
    names = Net(f"sc-page-{os.getpid()}", f"sc-turn-{os.getpid()}")
    with ExitStack() as stack:
        for name in (names.page, names.server):
            try:
                _ip("netns", "add", name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
            stack.callback(_ip, "netns", "delete", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", names.page, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", names.server)
        for name, address in ((names.page, PAGE), (names.server, SERVER)):
            _ip("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            _ip("-n", name, "link", "set", "cable", "up")
        # the default way, by which an engine finds the address that others see
        _ip("-n", names.page, "route", "add", "default", "via", SERVER)
        yield names


@contextmanager
def _running(namespace: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        ("ip", "netns", "exec", namespace, *command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def page(
    net: Net, browser_type: BrowserType, browser_type_launch_args: dict[str, Any], tmp_path: Path
) -> Iterator[Page]:
    """A page of Chromium in its namespace. What it loads comes from the test, not over the network."""
    inside = tmp_path / "chromium"
    chromium = shlex.quote(str(browser_type_launch_args["executable_path"]))
    inside.write_text(f'#!/bin/sh\nexec ip netns exec {net.page} {chromium} "$@"\n', "utf-8")
    inside.chmod(0o755)
    browser = browser_type.launch(**{**browser_type_launch_args, "executable_path": inside})
    try:
        opened = browser.new_page()
        opened.route("**/*", _fulfil)
        opened.goto("http://127.0.0.1/")
        yield opened
    finally:
        browser.close()


def _fulfil(route: Route) -> None:
    path = route.request.url.removeprefix("http://127.0.0.1/")
    if not path.startswith("static/"):
        route.fulfill(body="<!doctype html><title>page</title>", content_type="text/html")
        return
    kind, _ = mimetypes.guess_type(path)
    route.fulfill(body=(WEB / path).read_bytes(), content_type=kind or "text/plain")


def test_nothing_but_the_relay_is_told_or_spoken_to(net: Net, page: Page, tmp_path: Path) -> None:
    """Both ends of a call in one page, so that all its packets are of ends that hide their address."""
    options = ("--use-auth-secret", f"--static-auth-secret={coturn.SECRET}")
    texts = (f"stun:{SERVER}:3479", f"turn::{coturn.SECRET}@{SERVER}:{PORT}")
    with (
        _running(net.server, *coturn.command(tmp_path, PORT, *options, host=SERVER)) as server,
        _running(net.page, sys.executable, str(Path(__file__).parent / "relay_capture.py")) as capture,
    ):
        assert capture.stdout is not None
        subprocess.run(("ip", "netns", "exec", net.page, sys.executable, "-c", REACH), check=True, timeout=30)
        assert server.poll() is None
        assert capture.stdout.readline() == "listening\n"
        config = IceConfig.parse(texts, relay_only=True).fresh(time.time(), os.urandom)
        talk = page.evaluate(TALK, _servers(config))
        capture.kill()
        packets = capture.stdout.read().split("\n")
    assert talk["heard"] == "hello"
    told = [(pack(one["description"]) if "description" in one else "", pack(one["candidates"])) for one in talk["told"]]
    assert all(hides_address(*one) for one in told)
    assert PAGE not in json.dumps([talk["told"], talk["ends"]])
    assert "typ relay" in json.dumps(talk["told"])
    assert set(packets) - {""} == {f"{SERVER} {PORT}"}

    # what else would be seen: the same ends, with nothing to hide
    with _running(net.page, sys.executable, str(Path(__file__).parent / "relay_capture.py")) as capture:
        assert capture.stdout is not None
        assert capture.stdout.readline() == "listening\n"
        talk = page.evaluate(TALK, _servers(IceConfig()))
        capture.kill()
        packets = capture.stdout.read().split("\n")
    assert talk["heard"] == "hello"
    assert not any(hides_address("", pack(one["candidates"])) for one in talk["told"] if one["candidates"])
    assert set(packets) - {"", f"{SERVER} {PORT}"}


def _servers(config: IceConfig) -> dict[str, Any]:
    command = config.to_page()
    return {"servers": command["iceServers"], "relay": command["relay"]}
