// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { clockText, fit, present } from "../static/call/model.js";
import { freshSnapshot } from "../static/call/snapshot.js";
import { noSources } from "../static/call/sources.js";

/**
 * @param {Partial<import("../static/call/snapshot.js").Snapshot>} changes
 * @returns {import("../static/call/snapshot.js").Snapshot}
 */
function snapshot(changes) {
  return {
    ...freshSnapshot(),
    phase: "connected",
    media: "video",
    local: { ...noSources(), mic: true, camera: true },
    encrypted: true,
    connectedAt: 1,
    call: { contactName: "Ada" },
    ...changes,
  };
}

const track = /** @type {MediaStreamTrack} */ (/** @type {unknown} */ ({}));

test("the peer's pictures are shown while their bytes come", () => {
  const tracks = { camera: track, screenVideo: track };
  const stage = (/** @type {Partial<import("../static/call/sources.js").Sources>} */ peer, phase = "connected") =>
    present(snapshot({ tracks, peer: { ...noSources(), ...peer }, phase: /** @type {any} */ (phase) })).stage;
  assert.equal(stage({}), "none");
  assert.equal(stage({ camera: true }), "camera");
  assert.equal(stage({ screenVideo: true }), "screen");
  assert.equal(stage({ camera: true, screenVideo: true }), "both");
  assert.equal(stage({ camera: true }, "reconnecting"), "camera");
  assert.equal(stage({ camera: true }, "ended"), "none");
  assert.equal(present(snapshot({ peer: { ...noSources(), camera: true } })).stage, "none");
});

test("a screen can be shared in a call, where the engine can", () => {
  const share = (/** @type {any} */ changes) => present(snapshot({ canShare: true, ...changes })).share;
  assert.deepEqual(share({}), { isOn: true, label: "call.share.start", isEnabled: true });
  assert.equal(share({ local: { ...noSources(), screenVideo: true } }).label, "call.share.stop");
  for (const changes of [{ phase: "waiting" }, { canShare: false }, { notice: "old-peer" }]) assert.equal(share(changes).isEnabled, false);
});

test("a camera is switched where there is another, a microphone unmuted where it is muted", () => {
  const cameras = [{ id: "1", label: "" }, { id: "2", label: "" }];
  const devices = { ...freshSnapshot().devices, cameras };
  assert.equal(present(snapshot({ devices })).canSwitchCamera, true);
  assert.equal(present(snapshot({ devices: { ...devices, cameras: cameras.slice(1) } })).canSwitchCamera, false);
  assert.equal(present(snapshot({ devices, local: noSources() })).canSwitchCamera, false);
  assert.equal(present(snapshot({})).canUnmute, false);
  assert.equal(present(snapshot({ local: noSources() })).canUnmute, true);
  for (const phase of /** @type {const} */ (["preparing", "ended"])) {
    assert.equal(present(snapshot({ local: noSources(), phase })).canUnmute, false);
  }
});

test("the peer counts as muted only after it was heard", () => {
  const muted = (/** @type {boolean} */ peerHasSpoken, /** @type {boolean} */ mic) =>
    present(snapshot({ tracks: { mic: track }, peerHasSpoken, peer: { ...noSources(), mic } })).peerIsMuted;
  assert.equal(muted(false, false), false);
  assert.equal(muted(true, true), false);
  assert.equal(muted(true, false), true);
  assert.equal(present(snapshot({ peerIsExact: true })).peerIsMuted, true, "it says so");
});

test("the padlock says what is so, and nothing before it is known", () => {
  const protection = (/** @type {boolean} */ encrypted, /** @type {any} */ phase) => present(snapshot({ encrypted, phase })).protection;
  assert.equal(protection(true, "connected"), "frames");
  assert.equal(protection(true, "connecting"), "frames");
  assert.equal(protection(false, "connected"), "transport");
  assert.equal(protection(false, "waiting"), "none");
  assert.equal(protection(true, "ended"), "none");
});

test("why a call ended is said in its own words", () => {
  const status = (/** @type {string} */ reason) => present(snapshot({ phase: "ended", call: { reason } })).status;
  assert.equal(status("declined"), "call.status.declined");
  assert.equal(status("no answer"), "call.status.no-answer");
  assert.equal(status(""), "call.status.ended");
  assert.equal(status("anything"), "call.status.ended");
});

test("it rings once the contact's device has the call", () => {
  assert.equal(present(snapshot({ phase: "waiting", call: { progress: "sent" } })).status, "call.status.calling");
  assert.equal(present(snapshot({ phase: "waiting", call: { progress: "ringing" } })).status, "call.status.ringing");
  assert.equal(present(snapshot({ phase: "waiting", call: { progress: "ringing", consentWanted: "theirs" } })).status, "call.status.asking");
  assert.equal(present(snapshot({ phase: "connecting", call: { progress: "ringing" } })).status, "call.status.connecting");
});

test("Python's own words for the state stand until the call is connected", () => {
  const description = { state: "Ringing at Ada's", description: "" };
  assert.equal(present(snapshot({ phase: "waiting", description })).description, "Ringing at Ada's");
  assert.equal(present(snapshot({ description })).description, null);
});

test("controls: by what they do; none before there is a call or after it", () => {
  const on = present(snapshot({}));
  assert.deepEqual(on.mic, { isOn: true, label: "call.mic.mute", isEnabled: true });
  const off = present(snapshot({ local: noSources(), notice: "old-peer" }));
  assert.equal(off.mic.label, "call.mic.unmute");
  assert.deepEqual(off.camera, { isOn: false, label: "call.camera.start", isEnabled: false });
  for (const phase of /** @type {const} */ (["idle", "preparing", "ended", "failed"])) {
    assert.equal(present(snapshot({ phase })).mic.isEnabled, false);
  }
});

test("an unknown failure has words too", () => {
  const title = (/** @type {string | null} */ error) => present(snapshot({ phase: "failed", error })).failure?.title;
  assert.equal(title("no-microphone"), "call.failure.no-microphone.title");
  assert.equal(title("??"), "call.failure.setup-failed.title");
  assert.equal(title(null), "call.failure.setup-failed.title");
  assert.equal(present(snapshot({})).failure, null);
});

test("what Python says went wrong is shown where the page saw nothing wrong", () => {
  const failure = (/** @type {string} */ value) =>
    present(snapshot({ phase: "ended", call: { reason: "failed", failure: value } })).failure;
  assert.deepEqual(failure("no-encryption"), {
    title: "call.failure.no-encryption.title",
    help: "client.failure.no-encryption",
  });
  assert.equal(failure("connection-lost")?.title, "call.failure.connection-lost.title");
  assert.equal(failure(""), null);
  assert.equal(failure("??"), null);
  const own = present(snapshot({ phase: "failed", error: "no-microphone", call: { failure: "page" } })).failure;
  assert.equal(own?.title, "call.failure.no-microphone.title");
});

test("the timer", () => {
  assert.equal(clockText(-5), "0:00");
  assert.equal(clockText(65_999), "1:05");
  assert.equal(clockText(3_665_000), "1:01:05");
});

test("a picture of another shape than its box is shown whole", () => {
  assert.equal(fit(1280, 720, 1920, 1080), "cover");
  assert.equal(fit(640, 480, 1280, 800), "cover");
  assert.equal(fit(720, 1280, 1920, 1080), "contain");
  assert.equal(fit(1280, 720, 360, 740), "contain");
  assert.equal(fit(0, 0, 360, 740), "cover");
});
