"""The ciphers of frames in the workers of Chromium and of the window's engine, against bare WebCrypto."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
SECONDS = 300
PAGE = b"""<!doctype html><title>bench</title><script type="module">
const worker = new Worker("/bench/frames-worker.js", { type: "module" });
worker.onmessage = ({ data }) => { globalThis.rows = data; document.title = JSON.stringify(data); };
worker.onerror = ({ message }) => { document.title = "error " + message; };
</script>"""
QT = """
import sys
from PySide6.QtCore import QTimer, QUrl
from PySide6.QtWebEngineCore import QWebEnginePage
from PySide6.QtWidgets import QApplication
app = QApplication(["bench"])
page = QWebEnginePage()
def told(title):
    if title.startswith(("[", "error")):
        print(title, flush=True)
        app.exit(0)
page.titleChanged.connect(told)
QTimer.singleShot(int(sys.argv[2]) * 1000, lambda: app.exit(1))
page.load(QUrl(sys.argv[1]))
sys.exit(app.exec())
"""


class _Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        return super().translate_path(f"/web{path}" if path.startswith("/static/") else path)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def _served() -> Iterator[str]:
    handler = functools.partial(_Files, directory=str(ROOT))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            # WebCrypto is for secure contexts, which this is
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _in_chromium(url: str) -> Any:
    with sync_playwright() as playwright:
        path = next((path for path in ("/usr/bin/chromium",) if Path(path).is_file()), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(url)
            page.wait_for_function("globalThis.rows", timeout=SECONDS * 1000)
            return page.evaluate("rows")
        finally:
            browser.close()


def _in_qt(url: str) -> Any:
    surroundings = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", QT, url, str(SECONDS)],
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=SECONDS + 60,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def measure_frames_in_pages() -> str:
    rows = [
        "| engine | bytes | bare encrypt, µs | official, × | SFrame, × | bare decrypt, µs | official, × | SFrame, × |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with _served() as url:
        for engine, measure in (("Chromium", _in_chromium), ("Qt", _in_qt)):
            for row in measure(url):
                cells = [engine, f"{row['size']:,}"]
                for operation in ("encrypt", "decrypt"):
                    bare, official, sframe = row[operation]
                    cells += [f"{bare:.0f}", f"{official / bare:.2f}", f"{sframe / bare:.2f}"]
                rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
