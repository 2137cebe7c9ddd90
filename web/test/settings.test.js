// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cameraConstraints, changedSettings, contentHint, DEFAULT_SETTINGS, microphoneConstraints, screenConstraints, senderParameters, withOpus,
} from "../static/call/settings.js";

/** @param {Partial<import("../static/call/settings.js").MediaSettings>} [changes] */
const settings = (changes = {}) => ({ ...DEFAULT_SETTINGS, ...changes });

test("settings change by what they know; what is none is passed over", () => {
  assert.deepEqual(changedSettings(DEFAULT_SETTINGS, { resolution: 1080, isLowData: true }), settings({ resolution: 1080, isLowData: true }));
  for (const bad of [null, undefined, "x", { resolution: 4000 }, { isLowData: "yes" }, { screenContent: 1 }, { other: true }]) {
    assert.deepEqual(changedSettings(DEFAULT_SETTINGS, bad), DEFAULT_SETTINGS);
  }
});

test("the microphone is asked for as the settings say", () => {
  assert.deepEqual(microphoneConstraints(settings({ noiseSuppression: false }), null), {
    echoCancellation: true, noiseSuppression: false, autoGainControl: true,
  });
  assert.deepEqual(microphoneConstraints(settings(), "m").deviceId, { exact: "m" });
});

test("the camera: as large as wanted, smaller with little data; a chosen one whatever way it faces", () => {
  assert.deepEqual(cameraConstraints(settings({ resolution: 1080 }), "environment", null), {
    facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 30, max: 30 },
  });
  const chosen = cameraConstraints(settings({ isLowData: true, resolution: 1080 }), "user", "c");
  assert.deepEqual(chosen, { deviceId: { exact: "c" }, width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 20, max: 20 } });
});

test("a screen: sharp or smooth, its sound as it is", () => {
  assert.deepEqual(screenConstraints(settings(), false), { video: { frameRate: { ideal: 15, max: 15 } }, audio: false });
  const motion = screenConstraints(settings({ screenContent: "motion" }), true);
  assert.deepEqual(motion, {
    video: { frameRate: { ideal: 30, max: 30 } },
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  assert.equal(contentHint("screenVideo", settings()), "detail");
  assert.equal(contentHint("screenVideo", settings({ screenContent: "motion" })), "motion");
  assert.deepEqual(["mic", "camera", "screenAudio"].map((source) => contentHint(/** @type {any} */ (source), settings())), ["speech", "motion", "music"]);
});

test("senders: what is given up first, and how much less it is with little data", () => {
  assert.equal(senderParameters("screenVideo", settings()).degradationPreference, "maintain-resolution");
  assert.equal(senderParameters("screenVideo", settings({ screenContent: "motion" })).degradationPreference, "maintain-framerate");
  assert.equal(senderParameters("screenVideo", settings({ screenContent: "motion" })).maxFramerate, 30);
  for (const source of /** @type {const} */ (["mic", "camera", "screenAudio", "screenVideo"])) {
    const [full, low] = [senderParameters(source, settings()), senderParameters(source, settings({ isLowData: true }))];
    assert.ok(low.maxBitrate < full.maxBitrate);
    assert.ok((low.maxFramerate ?? 0) <= (full.maxFramerate ?? 0));
  }
});

test("a camera that gives more than was asked for is scaled down, never up", () => {
  assert.equal(senderParameters("camera", settings({ resolution: 360 }), 720).scaleResolutionDownBy, 2);
  assert.equal(senderParameters("camera", settings({ resolution: 1080 }), 720).scaleResolutionDownBy, 1);
  assert.equal(senderParameters("camera", settings()).scaleResolutionDownBy, 1);
});

const SDP = (/** @type {string} */ fmtp) =>
  ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111 110", "a=rtpmap:111 opus/48000/2", ...(fmtp ? [`a=fmtp:111 ${fmtp}`] : []), "a=rtpmap:110 telephone-event/48000",
    "a=fmtp:110 0-15", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", "a=fmtp:96 apt=96", ""].join("\r\n");
/** @param {string} sdp */
const opus = (sdp) => /a=fmtp:111 (.*)\r\n/.exec(sdp)?.[1];

test("Opus: error correction, and pauses that are not sent", () => {
  assert.equal(opus(withOpus(SDP("minptime=10;useinbandfec=1"), settings())), "minptime=10;useinbandfec=1;usedtx=1;cbr=0");
  assert.equal(opus(withOpus(SDP("stereo=1"), settings())), "stereo=1;minptime=10;useinbandfec=1;usedtx=1;cbr=0");
  assert.equal(opus(withOpus(SDP(""), settings())), "minptime=10;useinbandfec=1;usedtx=1;cbr=0");
});

test("a constant bitrate has no pauses, whoever asks for it", () => {
  const constant = "minptime=10;useinbandfec=1;usedtx=0;cbr=1";
  assert.equal(opus(withOpus(SDP("minptime=10;useinbandfec=1"), settings({ isBitrateConstant: true }))), constant);
  assert.equal(opus(withOpus(SDP("minptime=10;useinbandfec=1;usedtx=1;cbr=1"), settings())), constant);
});

test("nothing else of a description is touched", () => {
  const changed = withOpus(SDP("minptime=10"), settings());
  const rest = (/** @type {string} */ sdp) => sdp.split("\r\n").filter((line) => !line.startsWith("a=fmtp:111"));
  assert.deepEqual(rest(changed), rest(SDP("minptime=10")));
  assert.equal(withOpus("4", settings()), "4");
  assert.equal(withOpus(changed, settings()), changed);
});
