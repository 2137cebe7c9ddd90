"""The page's worker and Python on the same frames, in both directions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simplex_calls.calls.frames import FrameKind, decrypt_frame, encrypt_frame
from simplex_calls.calls.keys import FrameKey

FRAMES_JS = Path(__file__).parents[2] / "web" / "static" / "call" / "frames.js"
NODE = shutil.which("node")
KINDS = {FrameKind.AUDIO: "audio", FrameKind.VIDEO_DELTA: "delta", FrameKind.VIDEO_KEY: "key"}

SCRIPT = """
const { decodeKey, importKey, encryptFrame, decryptFrame } = await import(process.argv[1]);
let text = "";
for await (const chunk of process.stdin) text += chunk;
const { aesKey, frames } = JSON.parse(text);
const key = await importKey(decodeKey(aesKey));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex")).buffer;
const hex = (buffer) => Buffer.from(buffer).toString("hex");
const done = [];
for (const { kind, clear, encrypted } of frames) {
  done.push({
    encrypted: hex(await encryptFrame(key, bytes(clear), kind)),
    clear: hex(await decryptFrame(key, bytes(encrypted), kind)),
  });
}
console.log(JSON.stringify(done));
"""


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_python_and_the_page_understand_each_other() -> None:
    assert NODE
    key = FrameKey(os.urandom(32), frozenset())
    cases = [(kind, os.urandom(size)) for kind in FrameKind for size in (0, 1, 2, 3, 4, 9, 10, 11, 160, 5000)]
    frames = [
        {"kind": KINDS[kind], "clear": frame.hex(), "encrypted": encrypt_frame(key.raw, frame, kind).hex()}
        for kind, frame in cases
    ]
    result = subprocess.run(
        [NODE, "--input-type=module", "-e", SCRIPT, FRAMES_JS.as_uri()],
        input=json.dumps({"aesKey": key.text, "frames": frames}),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answers: list[dict[str, Any]] = json.loads(result.stdout)
    for (kind, frame), answer in zip(cases, answers, strict=True):
        assert bytes.fromhex(answer["clear"]) == frame
        assert decrypt_frame(key.raw, bytes.fromhex(answer["encrypted"]), kind) == frame
