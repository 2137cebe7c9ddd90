"""The question which screen or window is to be shared in a call, as a dialog of Qt's."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtWebEngineCore import QWebEngineDesktopMediaRequest
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from simplex_calls.catalogue import text

_ROLE = Qt.ItemDataRole.UserRole


class ScreenPicker(QDialog):
    """Screens first, then windows; nothing is chosen until the user chooses."""

    def __init__(self, screens: QAbstractItemModel, windows: QAbstractItemModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(text("desktop.share.title"))
        self.setMinimumSize(380, 320)
        question = QLabel(text("desktop.share.question"), self)
        question.setWordWrap(True)
        self.choices = QListWidget(self)
        question.setBuddy(self.choices)
        self.choices.setAccessibleName(text("desktop.share.title"))
        self._fill(screens, "desktop.share.screen", is_screen=True)
        self._fill(windows, "desktop.share.window", is_screen=False)
        if self.choices.count() == 0:
            question.setText(text("desktop.share.none"))
        self.question = question.text()
        self.buttons = QDialogButtonBox(self)
        self.share = self.buttons.addButton(text("desktop.share.confirm"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(text("desktop.share.cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        self.share.setEnabled(False)
        self.choices.itemSelectionChanged.connect(lambda: self.share.setEnabled(self.choice is not None))
        self.choices.itemActivated.connect(lambda _: self.accept())
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for widget in (question, self.choices, self.buttons):
            layout.addWidget(widget)

    def _fill(self, model: QAbstractItemModel, label: str, *, is_screen: bool) -> None:
        for row in range(model.rowCount()):
            name = str(model.index(row, 0).data(Qt.ItemDataRole.DisplayRole) or row + 1)
            item = QListWidgetItem(text(label, name=name))
            item.setData(_ROLE, (is_screen, row))
            self.choices.addItem(item)

    @property
    def choice(self) -> tuple[bool, int] | None:
        """Whether a screen was chosen (else a window), and its row; ``None`` while nothing is."""
        items = self.choices.selectedItems()
        if not items:
            return None
        is_screen, row = items[0].data(_ROLE)
        return bool(is_screen), int(row)


def pick(request: QWebEngineDesktopMediaRequest, parent: QWidget | None) -> None:
    """Let the user answer a page's request; closing the dialog shares nothing.

    It waits here: Qt's request lives no longer than the signal that brings it.
    """
    screens, windows = request.screensModel(), request.windowsModel()
    dialog = ScreenPicker(screens, windows, parent)
    is_shared = dialog.exec() == QDialog.DialogCode.Accepted
    choice = dialog.choice
    if not is_shared or choice is None:
        request.cancel()
        return
    is_screen, row = choice
    if is_screen:
        request.selectScreen(screens.index(row, 0))
    else:
        request.selectWindow(windows.index(row, 0))
