"""pywebview's Qt windows, with what they lack: a permission handler that works, and a bridge that a strict CSP allows.

pywebview builds its JavaScript bridge with ``new Function`` and ``eval``, which our pages' policy forbids; and its
permission handler does not work with Qt 6, which it hides by letting every page use every device. So our own view
stands in for its view: devices are granted to our own pages only, and pages speak over a Qt web channel, in order.
"""

from __future__ import annotations

import importlib
import json
import logging
import signal
from collections.abc import Callable
from functools import cache
from typing import Any

import webview
from PySide6.QtCore import (
    Property,
    QBuffer,
    QByteArray,
    QCoreApplication,
    QFile,
    QIODevice,
    QMessageLogContext,
    QObject,
    QPoint,
    Qt,
    QTimer,
    QtMsgType,
    QUrl,
    Signal,
    Slot,
    qInstallMessageHandler,
)
from PySide6.QtGui import QCloseEvent, QDesktopServices, QGuiApplication
from PySide6.QtWebEngineCore import (
    QWebEngineDesktopMediaRequest,
    QWebEngineNewWindowRequest,
    QWebEnginePage,
    QWebEnginePermission,
    QWebEngineProfile,
    QWebEngineScript,
    QWebEngineSettings,
)
from PySide6.QtWidgets import QApplication, QMenu

from simplex_calls.desktop.screen_picker import pick
from simplex_calls.desktop.windows import WindowPort

logger = logging.getLogger(__name__)

pywebview_qt: Any = importlib.import_module("webview.platforms.qt")
"""Untyped, and without a promise to stay as it is: ``tests/desktop`` tells when it does not."""

_DEVICES = {
    QWebEnginePermission.PermissionType.MediaAudioCapture,
    QWebEnginePermission.PermissionType.MediaVideoCapture,
    QWebEnginePermission.PermissionType.MediaAudioVideoCapture,
}
_EDITING = (
    QWebEnginePage.WebAction.Cut,
    QWebEnginePage.WebAction.Copy,
    QWebEnginePage.WebAction.Paste,
    QWebEnginePage.WebAction.SelectAll,
)
_BRIDGE = """
if (location.origin === %(origin)s) {
  new QWebChannel(qt.webChannelTransport, (channel) => {
    const { began, post, canStayOnTop, stayOnTop } = channel.objects.simplexCalls;
    began();
    window.pywebview = { api: { post: (text) => new Promise((taken) => post(text, taken)) } };
    if (canStayOnTop) window.pywebview.api.stayOnTop = (isOn) => stayOnTop(isOn);
    window.dispatchEvent(new CustomEvent("pywebviewready"));
  });
}
"""
"""What transport.js expects of the window."""


def install() -> None:
    """Let pywebview make our windows, and let Qt tell the log what it has to say."""
    qInstallMessageHandler(_qt_says)
    pywebview_qt.BrowserView = _View
    # it would add --use-fake-ui-for-media-stream, which grants every device to every page
    pywebview_qt.environ_append = lambda *_: None
    pywebview_qt.QWebEngineProfile = lambda *_: _profile()


class _Profile(QWebEngineProfile):
    """What all windows share, in memory only: a second window opens in half the time then."""

    def setUrlRequestInterceptor(self, _interceptor: object) -> None:  # noqa: N802 - Qt's name
        """Leave pywebview's out: it would run Python for every request, for listeners that there are none of."""


@cache
def _profile() -> _Profile:
    return _Profile()


def _qt_says(kind: QtMsgType, _context: QMessageLogContext, message: str | None) -> None:
    is_bad = kind in {QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg}
    logger.log(logging.ERROR if is_bad else logging.DEBUG, "Qt: %s", message)


def _bridge_script(origin: str) -> QWebEngineScript:
    library = QFile(":/qtwebchannel/qwebchannel.js")
    if not library.open(QIODevice.OpenModeFlag.ReadOnly):
        raise RuntimeError("Qt has no web channel")
    source = bytes(library.readAll().data()).decode()
    library.close()
    script = QWebEngineScript()
    script.setName("simplex-calls")
    script.setSourceCode(source + _BRIDGE % {"origin": json.dumps(origin)})
    script.setInjectionPoint(QWebEngineScript.InjectionPoint.DocumentCreation)
    script.setWorldId(QWebEngineScript.ScriptWorldId.MainWorld.value)
    script.setRunsOnSubFrames(False)
    return script


class _Page(QWebEnginePage):
    """A page that stays on our origin, and gets devices only there."""

    def __init__(self, parent: _View, profile: QWebEngineProfile) -> None:
        super().__init__(profile, parent.webview)
        self._origin = parent.port.origin
        self.permissionRequested.connect(self._permission_wanted)
        self.desktopMediaRequested.connect(self._screen_wanted)
        self.newWindowRequested.connect(self._window_wanted)
        for attribute, value in (
            (QWebEngineSettings.WebAttribute.PlaybackRequiresUserGesture, False),
            (QWebEngineSettings.WebAttribute.FullScreenSupportEnabled, True),
            (QWebEngineSettings.WebAttribute.LocalContentCanAccessFileUrls, False),
            (QWebEngineSettings.WebAttribute.JavascriptCanAccessClipboard, True),
            (QWebEngineSettings.WebAttribute.ScreenCaptureEnabled, True),
        ):
            self.settings().setAttribute(attribute, value)
        self.fullScreenRequested.connect(parent.full_screen_wanted)
        self.renderProcessTerminated.connect(parent.renderer_ended)
        # a page that ends itself leaves no window that seems to have one
        self.windowCloseRequested.connect(parent.close_window)
        self.scripts().insert(_bridge_script(self._origin))

    def _is_ours(self, url: QUrl) -> bool:
        origin = QUrl(self._origin)
        return (url.scheme(), url.host(), url.port()) == (origin.scheme(), origin.host(), origin.port())

    def _permission_wanted(self, permission: QWebEnginePermission) -> None:
        if permission.permissionType() in _DEVICES and self._is_ours(permission.origin()):
            permission.grant()
        else:
            logger.info("refused a permission: %s", permission.permissionType().name)
            permission.deny()

    def _screen_wanted(self, request: QWebEngineDesktopMediaRequest) -> None:
        """The page asks for a screen or a window: the user picks one, or none."""
        # only our own pages are ever open here, but what one navigated to by a fault must not see the screen
        if self._is_ours(self.url()):
            pick(request, QApplication.activeWindow())
        else:
            request.cancel()

    def _window_wanted(self, request: QWebEngineNewWindowRequest) -> None:
        self._open_outside(request.requestedUrl())

    def acceptNavigationRequest(  # noqa: N802 - Qt's name
        self,
        url: QUrl | str,
        kind: QWebEnginePage.NavigationType,
        is_main_frame: bool,  # noqa: FBT001
    ) -> bool:
        """Whether the page may go there; other sites open in the user's browser."""
        target = QUrl(url)
        if self._is_ours(target):
            return True
        if is_main_frame and kind is QWebEnginePage.NavigationType.NavigationTypeLinkClicked:
            self._open_outside(target)
        return False

    @staticmethod
    def _open_outside(url: QUrl) -> None:
        if url.scheme() in {"http", "https"}:
            QDesktopServices.openUrl(url)

    def javaScriptConsoleMessage(  # noqa: N802 - Qt's name
        self, level: QWebEnginePage.JavaScriptConsoleMessageLevel, message: str, line: int, source: str
    ) -> None:
        """Keep a page's own words out of the log unless somebody looks for faults."""
        # a page's own address is a secret
        file = source.rpartition("/")[2] if "/static/" in source else "page"
        logger.debug("%s:%d: %s: %s", file, line, level.name, message)


class _Channel(QObject):
    """What a page can call."""

    def __init__(self, port: WindowPort, parent: _View) -> None:
        super().__init__(parent)
        self._port = port
        self._view = parent

    def _can_stay_on_top(self) -> bool:
        # Wayland leaves it to the user
        return QGuiApplication.platformName() != "wayland"

    canStayOnTop = Property(bool, _can_stay_on_top, constant=True)  # noqa: N815 - as the page calls it

    @Slot()
    def began(self) -> None:
        """A page begins: the first one, or one after a reload."""
        self._port.page_began()

    @Slot(str, result=bool)
    def post(self, text: str) -> bool:
        """Take a message."""
        self._port.text_came(text)
        return True

    @Slot(bool)
    def stayOnTop(self, is_on: bool) -> None:  # noqa: FBT001, N802 - as the page calls it
        """Keep the window above all others, or do so no more."""
        self._view.on_set_on_top(is_on)


class _View(pywebview_qt.BrowserView):  # type: ignore[misc]
    """A window of ours. pywebview hands its port over as the window's ``js_api``."""

    WebPage = _Page
    invoke = Signal(object)

    def __init__(self, window: webview.Window) -> None:
        # pywebview has no other place for it
        self.port: WindowPort = window._js_api
        self._is_closed = False
        super().__init__(window)
        self.invoke.connect(self._do)
        self._posts = _Channel(self.port, self)
        self.channel.registerObject("simplexCalls", self._posts)
        self.webview.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.webview.customContextMenuRequested.connect(self._show_menu)
        self._place()
        self.port.view_made(self)

    def _place(self) -> None:
        placement = self.port.placement
        if placement.column is None:
            return
        area = QGuiApplication.primaryScreen().availableGeometry()
        half = area.width() // 2
        offset = placement.offset
        self.resize(min(placement.width, half - offset), min(placement.height, area.height() - 2 * offset - 40))
        self.move(area.x() + placement.column * half + offset, area.y() + 2 * offset)

    def _show_menu(self, place: QPoint) -> None:
        """Cut, copy and paste where there is text; nothing that reloads a page or shows its source."""
        request = self.webview.lastContextMenuRequest()
        if request is None or not (request.isContentEditable() or request.selectedText()):
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for action in _EDITING if request.isContentEditable() else (QWebEnginePage.WebAction.Copy,):
            menu.addAction(self.webview.page().action(action))
        menu.popup(self.webview.mapToGlobal(place))

    # pywebview's own bridge stays out
    def _set_js_api(self) -> None:
        events = self.pywebview_window.events
        events.before_load.set()
        events.loaded.set()

    def renderer_ended(self, status: QWebEnginePage.RenderProcessTerminationStatus, _code: int) -> None:
        """The page's process is gone."""
        if not self._is_closed:
            logger.warning("a page's renderer ended: %s", status.name)
            self.port.renderer_died()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """The window is closed by the user or by us."""
        if self._is_closed:
            event.accept()
            return
        self._is_closed = True
        self.port.window_closed()
        super().closeEvent(event)

    def full_screen_wanted(self, request: Any) -> None:
        """The page goes to full screen or back."""
        request.accept()
        if request.toggleOn():
            self.showFullScreen()
        else:
            self.showNormal()

    # from any thread (desktop.windows.View)

    @Slot(object)
    def _do(self, function: Callable[[], None]) -> None:
        if not self._is_closed:
            function()

    def _invoke(self, function: Callable[[], None]) -> None:
        try:
            self.invoke.emit(function)
        except RuntimeError:
            # Qt's part of the window is gone with the program's last window
            logger.debug("a window was spoken to after its end")

    def run_script(self, script: str, done: Callable[[], None]) -> None:
        """Run a script in the page."""
        self._invoke(lambda: self.webview.page().runJavaScript(script, 0, lambda _: done()))

    def load(self, url: str) -> None:
        """Open another page."""
        self._invoke(lambda: self.webview.setUrl(QUrl(url)))

    def bring_to_front(self) -> None:
        """Show the window above others."""
        self._invoke(self._raise)

    def _raise(self) -> None:
        if self.isMinimized():
            self.showNormal()
        self.raise_()
        self.activateWindow()

    def show_window(self) -> None:
        """Show the window, which was made hidden."""

        def show() -> None:
            self.show()
            self._raise()

        self._invoke(show)

    def set_title(self, title: str) -> None:
        """Name the window."""
        self._invoke(lambda: self.setWindowTitle(title))

    def close_window(self) -> None:
        """Close the window."""
        self._invoke(lambda: QTimer.singleShot(0, self.close))

    def picture(self, done: Callable[[bytes | None], None]) -> None:
        """Take a picture of what is shown."""

        def take() -> None:
            data = QByteArray()
            buffer = QBuffer(data)
            buffer.open(QIODevice.OpenModeFlag.WriteOnly)
            saved = self.webview.grab().save(buffer, "PNG")
            done(bytes(data.data()) if saved else None)

        self._invoke(take)


def make_window(title: str, url: str, port: WindowPort) -> None:
    """Make a window; before :func:`run` on the main thread, after it on any other."""
    webview.create_window(
        title,
        url,
        js_api=port,
        width=port.placement.width,
        height=port.placement.height,
        min_size=(360, 480),
        background_color="#161b24",
        hidden=port.placement.hidden,
    )


def run() -> None:
    """Show the windows until the last one is closed; only on the main thread."""
    signal.signal(signal.SIGTERM, lambda *_: QCoreApplication.quit())
    webview.start(gui="qt", private_mode=True)
