"""The files of the pages: where they are, and which of them are served."""

from __future__ import annotations

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
}
"""By suffix, whatever this machine's own tables say; nothing else is served."""

MAX_PATH_LENGTH = 200

VENDORED = {
    "vendor/lz-string.min.js": "node_modules/lz-string/libs/lz-string.min.js",
    "vendor/jsqr.js": "node_modules/jsqr/dist/jsQR.js",
}
"""Files that come from elsewhere than ``static``."""


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
