"""What all end-to-end tests share: one relay, Debian's chromium, a folder for pictures and logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from e2e.people import PATIENCE_MS, People, Person
from e2e.programs import Program

POP_UPS = ["--disable-popup-blocking"]
"""What Playwright would do otherwise: pop-ups are held back here, as they are for users."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where pictures and logs are kept; a folder for each of the processes that tests are shared out to."""
    folder = Path(__file__).parent.parent / "artefacts" / "e2e" / os.environ.get("PYTEST_XDIST_WORKER", "")
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    for old in folder.glob("failed-*.png"):
        old.unlink()
    return folder


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory, artefacts: Path) -> Iterator[str]:
    """The ``smp://`` address of a relay on this machine."""
    log = artefacts / "logs" / "relay.log"
    log.unlink(missing_ok=True)
    data = tmp_path_factory.mktemp("relay")
    program = Program("relay", "--port", "0", "--data", str(data), log=log)
    yield program.wait_for_line(r"(smp://\S+)")
    assert program.stop() == 0
    assert "Traceback" not in log.read_text("utf-8")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's chromium with a test picture and tone for devices, that reaches nothing but this machine."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.fail("Chromium is missing: apt-get install chromium")
    flags = [
        # few pictures a second: what is tested does not need more, and encoding them is most of what the tests cost
        "--use-fake-device-for-media-stream=fps=10",
        "--use-fake-ui-for-media-stream",
        "--auto-accept-this-tab-capture",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--allow-loopback-in-peer-connection",
    ]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": executable, "args": flags, "ignore_default_args": POP_UPS}


@pytest.fixture(scope="session")
def everybody(
    browser: Browser, relay: str, artefacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[People]:
    """Alice, Bob and Carol with their programs and browsers; Alice is connected with both others."""
    folder = tmp_path_factory.mktemp("people")
    people = People(*(Person(name, folder / name, relay, browser, artefacts) for name in ("Alice", "Bob", "Carol")))
    try:
        for person in people:
            person.launch()
        for person in people:
            person.open()
        people.alice.befriend(people.bob)
        people.alice.befriend(people.carol)
        yield people
    finally:
        for person in people:
            person.stop()
    for person in people:
        person.check_log()


@pytest.fixture
def people(everybody: People, request: pytest.FixtureRequest) -> Iterator[People]:
    """Everybody, out of any call before and after the test; whatever their pages complained of fails the test."""
    for person in everybody:
        person.problems.clear()
    yield everybody
    failed = getattr(request.node, "rep_call", None)
    if failed is None or failed.failed:
        for person in everybody:
            person.take_failure_pictures(request.node.name)
    for person in everybody:
        person.settle()
    problems = [problem for person in everybody for problem in person.problems]
    assert problems == []
