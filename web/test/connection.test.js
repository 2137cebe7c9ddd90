// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { preferredCodecs, withoutStrayFeedback } from "../static/call/connection.js";

/** @param {string[]} names */
const codecs = (names) => names.map((mimeType) => /** @type {RTCRtpCodec} */ ({ mimeType, clockRate: 90000 }));

test("only the codecs that the cipher knows, with what goes along with them, in order", () => {
  const video = codecs(["video/rtx", "video/VP9", "video/ulpfec", "video/H264", "video/VP8", "video/AV1", "video/red"]);
  assert.deepEqual(
    preferredCodecs("video", video).map(({ mimeType }) => mimeType),
    ["video/VP8", "video/rtx", "video/red", "video/ulpfec"],
  );
  const audio = codecs(["audio/red", "audio/G722", "audio/telephone-event", "audio/opus", "audio/CN"]);
  assert.deepEqual(
    preferredCodecs("audio", audio).map(({ mimeType }) => mimeType),
    ["audio/opus", "audio/telephone-event"],
  );
  assert.deepEqual(preferredCodecs("video", []), []);
});

test("feedback lines stay with the codecs that are offered in their section", () => {
  const lines = [
    "v=0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 109",
    "a=rtcp-fb:109 transport-cc",
    "a=rtcp-fb:120 nack",
    "m=video 0 UDP/TLS/RTP/SAVPF 120 124",
    "a=rtcp-fb:120 nack pli",
    "a=rtcp-fb:12 nack",
    "a=rtcp-fb:* ccm fir",
    "a=fmtp:124 apt=120",
    "",
  ];
  const expected = lines.filter((line) => !["a=rtcp-fb:120 nack", "a=rtcp-fb:12 nack"].includes(line));
  assert.equal(withoutStrayFeedback(lines.join("\r\n")), expected.join("\r\n"));
});
