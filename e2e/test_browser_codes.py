"""QR codes scanned by the camera, from a picture and from the clipboard; what the panel of a contact can change."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import segno
from playwright.sync_api import BrowserType, Locator, Page, WebSocketRoute, expect

from e2e.looks import look
from e2e.people import PATIENCE_MS, People, Person
from e2e.test_browser_contacts import open_details

SIDE = 480
"""Pixels of the camera's picture, both ways."""

REFUSE = "name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name)); }"

PASTE = """(element, png) => {
  const bytes = Uint8Array.from(atob(png), letter => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "code.png", { type: "image/png" }));
  element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""

PREVIEW = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
  const context = canvas.getContext("2d");
  for (let y = 0; y < 120; y += 4) {
    context.fillStyle = `hsl(${200 + y / 2} 60% ${40 + y / 4}%)`;
    context.fillRect(0, y, 160, 4);
  }
  return canvas.toDataURL("image/jpeg");
}"""


def film(code: Locator, file: Path) -> None:
    """Draw a code that a page shows into what the camera films: one frame of YUV4MPEG2."""
    size = int((code.locator("svg").get_attribute("viewBox") or "").split()[2])
    path = code.locator("path").get_attribute("d") or ""
    scale = SIDE // size
    rows = [bytearray(b"\xff" * SIDE) for _ in range(size)]
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        begin, end = int(x) * scale, (int(x) + int(length)) * scale
        rows[int(y)][begin:end] = bytes(end - begin)
    light = b"".join(bytes(row) * scale for row in rows)
    light += b"\xff" * (SIDE * SIDE - len(light))
    grey = b"\x80" * (SIDE * SIDE // 2)
    header = f"YUV4MPEG2 W{SIDE} H{SIDE} F10:1 Ip A1:1 C420jpeg\n"
    file.write_bytes(header.encode() + b"FRAME\n" + light + grey)


def picture(text: str) -> bytes:
    """A code as a PNG."""
    file = io.BytesIO()
    segno.make(text, error="l").save(file, kind="png", scale=4)
    return file.getvalue()


def open_beside(person: Person, page: Page) -> None:
    """Open somebody's chat once more, at the address that a reload would take; the first page gets the next one."""
    page.goto(person.chat.url)
    expect(page.locator("#app")).to_have_attribute("data-phase", "ready")
    person.chat.evaluate("url => history.replaceState(null, '', url)", page.evaluate("location.href"))


@contextmanager
def filming(person: Person, camera: Path, browser_type: BrowserType, arguments: dict[str, Any]) -> Iterator[Page]:
    """Another browser of somebody, whose camera shows what is in a file."""
    flags = [*arguments["args"], f"--use-file-for-fake-video-capture={camera}"]
    browser = browser_type.launch(**{**arguments, "args": flags})
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
        page.set_default_timeout(PATIENCE_MS)
        problems: list[str] = []
        page.on(
            "console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_beside(person, page)
        yield page
        assert problems == []
    finally:
        browser.close()


def test_a_security_code_is_scanned_by_the_camera(
    people: People, tmp_path: Path, browser_type: BrowserType, browser_type_launch_args: dict[str, Any]
) -> None:
    his = open_details(people.bob, people.alice)
    film(his.locator("#details-qr"), tmp_path / "camera.y4m")
    his.get_by_role("button", name="Close").click()
    with filming(people.alice, tmp_path / "camera.y4m", browser_type, browser_type_launch_args) as page:
        page.get_by_role("list", name="Contacts").get_by_role("button", name=re.compile("^Bob")).click()
        page.get_by_role("heading", level=1, name="Bob").get_by_role("button").click()
        hers = page.get_by_role("dialog", name="Bob")
        hers.get_by_role("button", name="Scan your contact's code").click()
        expect(hers.get_by_text("The codes are the same.")).to_be_visible()
        expect(page.get_by_role("dialog", name="Scan the security code")).to_be_hidden()
        expect(hers.get_by_text("Verified", exact=True)).to_be_visible()
        hers.get_by_role("button", name="Remove the mark").click()
        hers.get_by_role("button", name="Close").click()
        # another code than the one that is wanted is told, and the camera goes on
        page.get_by_role("button", name="Add contact").first.click()
        page.get_by_role("tab", name="Use a link").click()
        page.get_by_role("button", name="Scan QR code").click()
        scan = page.get_by_role("dialog", name="Scan a link")
        expect(scan.get_by_role("alert")).to_have_text("This QR code is no invitation or address.")
        look(people.alice, "scan", page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Scan QR code")).to_be_focused()
        expect(page.locator("#scan-video")).to_have_js_property("srcObject", None)


def test_links_are_read_from_pictures_where_there_is_no_camera(people: People) -> None:
    carol = people.carol
    link = people.bob.create_link()
    people.bob.chat.get_by_role("dialog", name="Add contact").get_by_role("button", name="Close").click()
    page = carol.chat
    page.get_by_role("button", name="Add contact").first.click()
    dialog = page.get_by_role("dialog", name="Add contact")
    dialog.get_by_role("tab", name="Use a link").click()
    scan = page.get_by_role("dialog", name="Scan a link")
    button = dialog.get_by_role("button", name="Scan QR code")
    look(carol, "use-a-link")
    for error, words in (
        ("NotAllowedError", "The camera may not be used."),
        ("NotReadableError", "The camera cannot be opened"),
        ("NotFoundError", "No camera was found."),
    ):
        page.evaluate(REFUSE, error)
        button.click()
        expect(scan.get_by_role("status")).to_contain_text(words)
        if error != "NotFoundError":
            scan.get_by_role("button", name="Close").click()
    look(carol, "scan-refused")

    def choose(name: str, kind: str, data: bytes) -> None:
        with page.expect_file_chooser() as chooser:
            scan.get_by_role("button", name="Choose a picture").click()
        chooser.value.set_files({"name": name, "mimeType": kind, "buffer": data})

    choose("notes.png", "image/png", b"notes")
    expect(scan.get_by_role("alert")).to_have_text("This file is no picture that can be opened.")
    choose("code.png", "image/png", picture("https://example.org/"))
    expect(scan.get_by_role("alert")).to_have_text("This QR code is no invitation or address.")
    # the link is looked up as if it was pasted; it is nobody's yet
    choose("code.png", "image/png", picture(link))
    expect(scan).to_be_hidden()
    expect(dialog.get_by_text("This is Bob")).to_be_visible()
    field = dialog.get_by_role("textbox", name="Link", exact=True)
    expect(field).to_have_value(link)
    # the same from the clipboard, in the field itself
    field.fill("")
    field.evaluate(PASTE, base64.b64encode(picture(link)).decode())
    expect(field).to_have_value(link)
    expect(dialog.get_by_text("This is Bob")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    # nobody connected by it
    bob = people.bob.chat
    bob.get_by_role("list", name="Contacts").get_by_role("button", name=re.compile("^Invitation of")).click()
    bob.get_by_role("button", name="Contact menu").click()
    bob.get_by_role("menuitem", name=re.compile("^Delete contact")).click()
    bob.get_by_role("dialog", name=re.compile("^Delete")).get_by_role("button", name=re.compile("^Delete")).click()
    expect(bob.get_by_role("button", name=re.compile("^Invitation of"))).to_have_count(0)


def test_the_panel_changes_how_a_contact_is_reached(people: People) -> None:
    alice, bob = people.alice, people.bob
    details = open_details(alice, bob)
    switch = details.get_by_role("switch", name="Quantum resistance")
    expect(switch).to_be_checked()
    switch.focus()
    alice.chat.keyboard.press("Space")
    expect(details.get_by_text("Turned off.").or_(details.get_by_text("Off. Turn it on"))).to_be_visible()
    expect(switch).not_to_be_checked()
    alice.chat.keyboard.press("Space")
    expect(switch).to_be_checked()

    # while Bob's program is not running, nothing but the wish for another address exists
    bob.kill()
    details.get_by_role("button", name="Change receiving address").click()
    alice.chat.get_by_role("dialog", name=re.compile("Receive from")).get_by_role(
        "button", name="Change address"
    ).click()
    stay = details.get_by_role("button", name="Keep the present address")
    expect(stay).to_be_visible()
    expect(details.get_by_text("The receiving address is being changed. This completes once")).to_be_visible()
    look(alice, "details-switching")
    stay.click()
    expect(stay).to_be_hidden()
    expect(details.get_by_role("button", name="Change receiving address")).to_be_visible()
    details.get_by_role("button", name="Close").click()
    bob.restart()


def test_an_address_in_a_text_is_opened_after_a_question(people: People) -> None:
    alice, bob = people.alice, people.bob
    alice.write(bob, "Look at http://127.0.0.1:9/a?b=1.")
    link = bob.entries(alice).last.get_by_role("link")
    expect(link).to_have_text("http://127.0.0.1:9/a?b=1")
    link.press("Enter")
    question = bob.chat.get_by_role("dialog", name="Open this address in your browser?")
    expect(question).to_contain_text("http://127.0.0.1:9/a?b=1")
    look(bob, "link")
    question.get_by_role("button", name="Cancel").click()
    link.click()
    with bob.context.expect_page() as opened:
        question.get_by_role("button", name="Open").click()
    assert opened.value.url in ("http://127.0.0.1:9/a?b=1", "about:blank", "chrome-error://chromewebdata/")
    opened.value.close()


def test_what_cannot_be_taken_is_shown_and_told(people: People) -> None:
    """What only other apps send: put into what the program tells a page."""
    sockets: list[WebSocketRoute] = []
    ids: dict[str, int] = {}

    def between(socket: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            result = json.loads(message).get("result")
            if isinstance(result, dict) and "contacts" in result:
                ids.update({contact["name"]: contact["id"] for contact in result["contacts"]})
            socket.send(message)

        socket.connect_to_server().on_message(pass_on)
        sockets.append(socket)

    page = people.alice.context.new_page()
    page.route_web_socket(re.compile(".*"), between)
    open_beside(people.alice, page)
    page.get_by_role("list", name="Contacts").get_by_role("button", name=re.compile("^Bob")).click()
    expect(page.get_by_role("heading", name="You are connected with Bob")).to_be_visible()
    preview = page.evaluate(PREVIEW)
    now = time.time() * 1000
    common = {
        "contactId": ids["Bob"],
        "direction": "received",
        "createdAt": now,
        "sentAt": now,
        "delivery": None,
        "failure": None,
    }
    text = common | {"kind": "text", "content": "image", "edited": False, "deleted": False}
    items = [
        text | {"id": 1_000_001, "text": "The lake this morning", "preview": preview},
        text | {"id": 1_000_002, "text": "", "preview": preview, "content": "video"},
        text | {"id": 1_000_003, "text": "Not one", "preview": "data:image/png;base64,AAAA"},
        common | {"id": 1_000_004, "kind": "notice", "notice": "queue-full", "count": 1, "text": ""},
    ]
    for item in items:
        sockets[-1].send(json.dumps({"event": "item", "item": item}))
    log = page.get_by_role("region", name=re.compile("Messages and calls with"))
    expect(log.get_by_role("img", name="Preview of the picture")).to_have_count(2)
    expect(log.get_by_text("A preview. The picture itself cannot be fetched here.").first).to_be_visible()
    expect(log.get_by_text("A picture was sent. It cannot be shown here.")).to_be_visible()
    expect(log.get_by_text("Bob has not fetched messages for a long time")).to_be_visible()
    look(people.alice, "previews", page)
    page.close()


def test_new_keys_are_agreed_on_when_they_are_needed(people: People) -> None:
    """Programs that work do not fall out of step: the page is told that they did."""
    asked: list[dict[str, Any]] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def to_program(message: str | bytes) -> None:
            request = json.loads(message)
            if request.get("method") == "synchronize":
                asked.append(request["params"])
                socket.send(json.dumps({"id": request["id"], "result": None}))
            else:
                server.send(message)

        def to_page(message: str | bytes) -> None:
            value = json.loads(message)
            if isinstance(value.get("result"), dict) and "ratchetSync" in value["result"]:
                value["result"]["ratchetSync"] = "started" if asked else "required"
            socket.send(json.dumps(value))

        socket.on_message(to_program)
        server.on_message(to_page)

    page = people.alice.context.new_page()
    page.route_web_socket(re.compile(".*"), between)
    open_beside(people.alice, page)
    page.get_by_role("list", name="Contacts").get_by_role("button", name=re.compile("^Bob")).click()
    page.get_by_role("heading", level=1, name="Bob").get_by_role("button").click()
    details = page.get_by_role("dialog", name="Bob")
    expect(details.get_by_text("Your encryption is out of step")).to_be_visible()
    expect(details.get_by_role("button", name="Change receiving address")).to_be_hidden()
    look(people.alice, "out-of-step", page)
    details.get_by_role("button", name="Agree on new keys").press("Enter")
    question = page.get_by_role("dialog", name=re.compile("Agree on new keys with"))
    question.get_by_role("button", name="Agree on new keys").press("Enter")
    expect(details.get_by_text("New keys are being agreed on.")).to_be_visible()
    expect(details.get_by_role("button", name="Agree on new keys")).to_be_hidden()
    assert len(asked) == 1
    page.close()
