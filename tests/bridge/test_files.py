from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.bridge.files import VENDORED, Compressed, find, takes_gzip, web_folder


def test_the_pages_files_are_found() -> None:
    web = web_folder()
    assert find(web, "common/transport.js") == (web / "static/common/transport.js", "text/javascript")
    assert find(web, "common/base.css") == (web / "static/common/base.css", "text/css")
    assert find(web, "common/icon.svg") == (web / "static/common/icon.svg", "image/svg+xml")
    assert find(web, "vendor/jsqr.js") == (web / VENDORED["vendor/jsqr.js"], "text/javascript")
    assert find(web, "vendor/lz-string.min.js") == (web / VENDORED["vendor/lz-string.min.js"], "text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "common",
        "common/",
        "../templates/base.html.j2",
        "../package.json",
        "../../pyproject.toml",
        "common/../../eslint.config.js",
        "/etc/passwd.js",
        "//etc/passwd.js",
        "common\\transport.js",
        "common/transport.js\0.css",
        "./common/transport.js",
        "common//transport.js",
        "vendor/other.js",
        "common/missing.js",
        "common/.hidden.js",
        "a" * 5000 + ".js",
    ],
)
def test_nothing_else_is_served(path: str) -> None:
    assert find(web_folder(), path) is None


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "secret.js").write_text("secret")
    (tmp_path / "static/link.js").symlink_to(tmp_path / "secret.js")
    (tmp_path / "static/own.js").write_text("own")
    assert find(tmp_path, "own.js") is not None
    assert find(tmp_path, "link.js") is None


@given(st.lists(st.sampled_from(["..", ".", "", "a", "static", "%2e%2e", "x.js", "\\", "/"])).map("/".join))
def test_no_path_leaves_the_folder(path: str) -> None:
    web = web_folder()
    found = find(web, path)
    assert found is None or found[0].is_relative_to(web / "static")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP ; q=0.5", True),
        ("*", True),
        ("*;q=0, gzip;q=0.001", True),
        ("", False),
        ("identity", False),
        ("br, deflate", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("x-gzip-not", False),
    ],
)
def test_what_takes_gzip(header: str, expected: bool) -> None:
    assert takes_gzip(header) is expected


@given(st.text())
def test_any_accept_encoding_is_read(header: str) -> None:
    assert takes_gzip(header) in {True, False}


def test_a_file_is_compressed_once_and_again_when_changed(tmp_path: Path) -> None:
    file = tmp_path / "page.js"
    file.write_bytes(b"first " * 100)
    compressed = Compressed()
    first = compressed.read(file)
    assert gzip.decompress(first) == b"first " * 100
    assert compressed.read(file) is first
    file.write_bytes(b"other " * 100)
    os.utime(file, ns=(1, 1))
    assert gzip.decompress(compressed.read(file)) == b"other " * 100
