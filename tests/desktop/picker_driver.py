"""A real page asks for the screen, off screen; writes what came of it as JSON. A process of its own, as for Qt."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QStringListModel, QTimer, QUrl, Slot
from PySide6.QtWebEngineCore import QWebEnginePage, QWebEngineSettings
from PySide6.QtWidgets import QApplication

from simplex_calls.desktop.screen_picker import ScreenPicker, pick

SHARE = """
(async () => {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
    const [track] = stream.getVideoTracks();
    const said = [track.kind, track.readyState];
    track.stop();
    document.title = said.join(" ");
  } catch (error) {
    document.title = error.name;
  }
})()
"""


def look_at_a_dialog() -> dict[str, Any]:
    """A screen and two windows, one of them without a name."""
    dialog = ScreenPicker(QStringListModel(["HDMI-1"]), QStringListModel(["Editor", ""]))
    before = dialog.share.isEnabled(), dialog.choice
    dialog.choices.setCurrentRow(1)
    dialog.share.click()
    return {
        "title": dialog.windowTitle(),
        "question": dialog.question,
        "choices": [dialog.choices.item(row).text() for row in range(dialog.choices.count())],
        "before": before,
        "chosen": dialog.choice,
        "accepted": dialog.result(),
    }


class Driver(QObject):
    """A page asks for a screen; off screen there is none, so the dialog says so, and is closed."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.out = out
        self.seen: dict[str, Any] = {"dialog": look_at_a_dialog()}
        self.page = QWebEnginePage()
        self.page.settings().setAttribute(QWebEngineSettings.WebAttribute.ScreenCaptureEnabled, True)
        self.page.permissionRequested.connect(lambda permission: permission.grant())
        self.page.desktopMediaRequested.connect(lambda request: pick(request, None))
        self.page.titleChanged.connect(self.answered)
        self.page.loadFinished.connect(lambda: self.page.runJavaScript(SHARE))
        self.watch = QTimer(self)
        self.watch.timeout.connect(self.close_dialog)
        self.watch.start(50)
        self.page.setHtml("<body>page</body>", QUrl("http://127.0.0.1/"))

    @Slot()
    def close_dialog(self) -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, ScreenPicker):
            self.seen["asked"] = dialog.question
            dialog.reject()

    @Slot(str)
    def answered(self, title: str) -> None:
        if "live" in title or "Error" in title:
            self.seen["page"] = title
            self.out.write_text(json.dumps(self.seen), "utf-8")
            QApplication.quit()


def main() -> int:
    application = QApplication(["simplex-calls"])
    application.setQuitOnLastWindowClosed(False)
    driver = Driver(Path(sys.argv[1]))
    QTimer.singleShot(60_000, lambda: application.exit(1))
    status = application.exec()
    driver.page.deleteLater()
    return status


if __name__ == "__main__":
    sys.exit(main())
