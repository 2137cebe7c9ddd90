"""The files of the pages: where they are, and which of them are served."""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

import simplex_calls

CONTENT_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
}
"""By suffix, whatever this machine's own tables say; nothing else is served."""

COMPRESSIBLE = frozenset({"text/javascript", "text/css", "image/svg+xml"})
"""Text; pictures and sounds are compressed already."""

MAX_PATH_LENGTH = 200

_BLUR = "node_modules/@twilio/video-processors/dist/build"

VENDORED = {
    "vendor/lz-string.min.js": "node_modules/lz-string/libs/lz-string.min.js",
    "vendor/jsqr.js": "node_modules/jsqr/dist/jsQR.js",
    "vendor/tflite-simd.js": f"{_BLUR}/tflite-simd-1-0-0.js",
    "vendor/tflite-simd.wasm": f"{_BLUR}/tflite-simd-1-0-0.wasm",
    "vendor/selfie_segmentation_landscape.tflite": f"{_BLUR}/selfie_segmentation_landscape.tflite",
}
"""Files that come from elsewhere than ``static``."""


WASM_WORKERS = frozenset({"call/blur-worker.js"})
"""Workers that may run WebAssembly: no page may."""


class PagesMissingError(Exception):
    """The pages are not installed; the text says what to do."""


def web_folder() -> Path:
    """The folder with ``static`` and ``templates``: in the package, or in the repository that it runs from."""
    package = Path(simplex_calls.__file__).parent
    for folder in (package / "web", package.parents[1] / "web"):
        if (folder / "templates").is_dir():
            if not all((folder / path).is_file() for path in VENDORED.values()):
                raise PagesMissingError(f"{folder}: npm packages are not installed (npm --prefix {folder} ci)")
            return folder
    raise PagesMissingError("the pages are not in this installation: install it again")


def find(web: Path, path: str) -> tuple[Path, str] | None:
    """The file below ``/static/`` that ``path`` names, with its content type; ``None`` if none is served."""
    content_type = CONTENT_TYPES.get(PurePosixPath(path).suffix)
    if content_type is None or len(path) > MAX_PATH_LENGTH or "\\" in path or "\0" in path:
        return None
    if path in VENDORED:
        return web / VENDORED[path], content_type
    if any(part in {"", "."} or part.startswith(".") for part in path.split("/")):
        return None
    static = (web / "static").resolve()
    file = (static / path).resolve()
    return (file, content_type) if file.is_relative_to(static) and file.is_file() else None


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header (RFC 9110, 12.5.3) allows gzip: by name or as ``*``, not at weight 0."""
    weights: dict[str, bool] = {}
    for item in accept_encoding.lower().split(","):
        name, _, parameters = item.partition(";")
        key, _, weight = parameters.partition("=")
        is_refused = key.strip() == "q" and weight.strip().rstrip("0") in {"", "0."}
        weights[name.strip()] = not is_refused
    return weights.get("gzip", weights.get("*", False))


class Compressed:
    """Files as gzip, each compressed once; again when it has changed. Threads may share it.

    Only for files without secrets: the size of a compressed page tells of what is in it (BREACH).
    """

    def __init__(self) -> None:
        self._files: dict[Path, tuple[tuple[int, int], bytes]] = {}

    def read(self, file: Path) -> bytes:
        """The file's bytes as gzip."""
        status = file.stat()
        version = (status.st_mtime_ns, status.st_size)
        known = self._files.get(file)
        if known is not None and known[0] == version:
            return known[1]
        packed = gzip.compress(file.read_bytes(), mtime=0)
        self._files[file] = (version, packed)
        return packed
