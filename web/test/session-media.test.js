// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceError } from "../static/call/devices.js";
import { ATTACK_MS, HOLD_MS, LEVEL_MS, MUTED_MS } from "../static/call/levels.js";
import { DEFAULT_SETTINGS } from "../static/call/settings.js";
import { Bench } from "./support/bench.js";
import { FakeTrack, settle } from "./support/fakes.js";

/** @type {any[]} */
const FOUND = [
  { kind: "audioinput", deviceId: "m1", label: "Built-in" },
  { kind: "audioinput", deviceId: "m2", label: "Headset" },
  { kind: "videoinput", deviceId: "c1", label: "Front" },
  { kind: "videoinput", deviceId: "c2", label: "Back" },
  { kind: "audiooutput", deviceId: "s1", label: "Speaker" },
];

/** @param {boolean} hasSound */
const picked = (hasSound) => ({ video: new FakeTrack("video"), audio: hasSound ? new FakeTrack("audio") : null });

/** @param {Bench} bench */
async function tracksOf(bench) {
  await settle();
  return bench.connection.transceivers.map(({ sender }) => sender.track);
}

/** A connected call with devices to choose from. */
async function connected() {
  const bench = new Bench();
  bench.devices.found = FOUND;
  await bench.connected();
  return bench;
}

// The screen

test("a screen with its sound is sent as the third and fourth source, and shown", async () => {
  const bench = await connected();
  const screen = (bench.devices.picked = picked(true));
  await bench.session.shareScreen({ withSound: true });
  const [, , audio, video] = await tracksOf(bench);
  assert.deepEqual([video, audio], [screen.video, screen.audio]);
  assert.deepEqual([bench.shot.screen, bench.shot.hasScreenSound], [screen.video, true]);
  assert.deepEqual(bench.shot.local, { mic: true, camera: true, screenAudio: true, screenVideo: true });
  assert.equal(screen.video.contentHint, "detail");
  const { degradationPreference, encodings } = /** @type {any} */ (bench.connection.transceivers[3]).sender.parameters;
  assert.deepEqual([degradationPreference, encodings[0].maxFramerate], ["maintain-resolution", 15]);
  assert.deepEqual(bench.said("ok").at(-1)?.command, { type: "media", source: "screenAudio", enable: true });
  await bench.session.stopSharing();
  assert.deepEqual((await tracksOf(bench)).slice(2), [null, null]);
  assert.deepEqual([screen.video.isStopped, screen.audio?.isStopped, bench.shot.screen], [true, true, null]);
});

test("a screen without sound, where the engine gives none or none is wanted", async () => {
  const bench = await connected();
  bench.devices.picked = picked(false);
  await bench.session.shareScreen();
  assert.equal(bench.devices.constraints.at(-1).audio, false);
  assert.deepEqual([bench.shot.local.screenVideo, bench.shot.local.screenAudio], [true, false]);
});

test("sharing is ended from the browser's own bar, or by closing the window that was shared", async () => {
  const bench = await connected();
  const screen = (bench.devices.picked = picked(true));
  await bench.session.shareScreen({ withSound: true });
  screen.video.end();
  assert.deepEqual((await tracksOf(bench)).slice(2), [null, null]);
  assert.deepEqual([bench.shot.local.screenVideo, bench.shot.local.screenAudio], [false, false]);
  assert.equal(screen.audio?.isStopped, true);
});

test("the sound of a screen can be turned off, or end, by itself", async () => {
  for (const end of [(/** @type {Bench} */ bench) => bench.command({ type: "media", source: "screenAudio", enable: false }), (/** @type {Bench} */ bench) => /** @type {any} */ (bench.devices.picked).audio.end()]) {
    const bench = await connected();
    bench.devices.picked = picked(true);
    await bench.session.shareScreen({ withSound: true });
    await end(bench);
    await settle();
    assert.deepEqual([bench.shot.local.screenVideo, bench.shot.local.screenAudio], [true, false]);
    assert.equal(bench.shot.hasScreenSound, false);
  }
});

test("another window takes the first one's place; who picks none keeps it", async () => {
  const bench = await connected();
  const first = (bench.devices.picked = picked(false));
  await bench.session.shareScreen();
  bench.devices.picked = null;
  await bench.session.shareScreen();
  assert.equal(bench.shot.screen, first.video);
  const second = (bench.devices.picked = picked(false));
  await bench.session.shareScreen();
  assert.equal(first.video.isStopped, true);
  assert.equal(bench.shot.screen, second.video);
});

test("nothing picked, or nothing to be had: the call goes on", async () => {
  const bench = await connected();
  assert.equal((await bench.command({ type: "media", source: "screenVideo", enable: true })).type, "error");
  assert.equal(bench.shot.notice, null);
  bench.devices.failures.screen = new DeviceError("no-screen", "no");
  assert.equal((await bench.command({ type: "media", source: "screenVideo", enable: true })).code, "no-screen");
  assert.equal(bench.shot.notice, "no-screen");
  assert.equal(bench.shot.phase, "connected");
});

test("a call that ends while the user still picks gives back what is picked then", async () => {
  const bench = await connected();
  const screen = (bench.devices.picked = picked(true));
  bench.devices.isHeld = true;
  const sharing = bench.session.shareScreen({ withSound: true });
  await settle();
  bench.session.hangUp();
  bench.devices.release();
  await sharing;
  await settle();
  assert.deepEqual([screen.video.isStopped, screen.audio?.isStopped], [true, true]);
  assert.equal(bench.shot.screen, null);
});

test("the end of the call ends the sharing", async () => {
  const bench = await connected();
  const screen = (bench.devices.picked = picked(true));
  await bench.session.shareScreen({ withSound: true });
  bench.session.hangUp();
  assert.deepEqual([screen.video.isStopped, screen.audio?.isStopped], [true, true]);
  assert.deepEqual([bench.shot.screen, bench.shot.hasScreenSound], [null, false]);
});

test("an old peer has no room for a screen", async () => {
  const bench = new Bench();
  await bench.capabilities();
  await bench.offer({}, 2);
  bench.devices.picked = picked(false);
  assert.equal((await bench.command({ type: "media", source: "screenVideo", enable: true })).type, "error");
  assert.equal(bench.shot.notice, "old-peer");
  assert.equal(bench.shot.screen, null);
});

test("a source that nobody knows is refused", async () => {
  const bench = await connected();
  assert.equal((await bench.command({ type: "media", source: "smell", enable: true })).type, "error");
});

// Audio, then video

test("a camera in an audio call is sent without dialling again", async () => {
  const bench = new Bench();
  await bench.start({ media: "audio" });
  await bench.answer();
  bench.connection.become("connected");
  await bench.session.toggle("camera");
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  assert.equal(bench.shot.local.camera, true);
  assert.equal(bench.connections.length, 1);
});

// Devices

test("what there is to choose from is shown once a device was allowed", async () => {
  const bench = await connected();
  assert.equal(bench.shot.devices.microphones.length, 2);
  assert.deepEqual(bench.shot.devices.chosen, { microphone: null, camera: null, speaker: null });
});

test("another microphone: sent at once, kept by Python; muted stays muted", async () => {
  const bench = await connected();
  const [before] = bench.devices.open("audio");
  await bench.session.choose("microphone", "m2");
  const [after] = bench.devices.open("audio");
  assert.deepEqual(bench.devices.constraints.at(-1).deviceId, { exact: "m2" });
  assert.equal(before?.isStopped, true);
  assert.equal((await tracksOf(bench))[0], after);
  assert.deepEqual(bench.said("settings").at(-1)?.resp.devices.microphone, { id: "m2", label: "Headset" });
  await bench.session.toggle("mic");
  await bench.session.choose("microphone", null);
  assert.equal((await tracksOf(bench))[0], null);
  assert.equal(bench.devices.open("audio")[0]?.enabled, false);
  assert.equal(bench.shot.devices.chosen.microphone, null);
});

test("what is not there cannot be chosen; a speaker needs nothing opened", async () => {
  const bench = await connected();
  const count = bench.devices.constraints.length;
  await bench.session.choose("microphone", "none");
  assert.equal(bench.said("settings").length, 0);
  await bench.session.choose("speaker", "s1");
  assert.equal(bench.shot.devices.chosen.speaker, "s1");
  assert.equal(bench.devices.constraints.length, count);
});

test("a camera that is chosen is opened instead; one that is off stays off", async () => {
  const bench = await connected();
  await bench.session.choose("camera", "c2");
  assert.deepEqual(bench.devices.constraints.at(-1).deviceId, { exact: "c2" });
  assert.equal(bench.devices.open("video").length, 1);
  await bench.session.toggle("camera");
  await bench.session.choose("camera", "c1");
  assert.equal(bench.devices.open("video").length, 0);
});

test("switching goes from camera to camera; with one it asks for the other side", async () => {
  const bench = await connected();
  Object.assign(bench.devices.open("video")[0] ?? {}, { settings: { deviceId: "c2" } });
  await bench.session.switchCamera();
  assert.equal(bench.shot.devices.chosen.camera, "c1");
  bench.devices.change(FOUND.filter(({ deviceId }) => deviceId === "c2"));
  await settle();
  await bench.session.switchCamera();
  assert.equal(bench.shot.facing, "environment");
});

test("a chosen device that cannot be opened: the system's choice, and it is said", async () => {
  const bench = new Bench();
  bench.devices.found = FOUND;
  await bench.command({ type: "settings", devices: { microphone: { id: "m2", label: "Headset" } } });
  await bench.session.listDevices();
  const { microphone } = bench.devices;
  bench.devices.microphone = (constraints) =>
    constraints.deviceId ? Promise.reject(new DeviceError("no-microphone", "no")) : microphone(constraints);
  await bench.capabilities({ media: "audio" });
  assert.equal(bench.shot.phase, "waiting");
  assert.equal(bench.shot.notice, "microphone-changed");
});

test("the chosen microphone is pulled out: the system's choice takes its place, and it is said", async () => {
  const bench = await connected();
  await bench.session.choose("microphone", "m2");
  const [before] = bench.devices.open("audio");
  before?.end();
  bench.devices.change(FOUND.filter(({ deviceId }) => deviceId !== "m2"));
  await settle();
  assert.equal(bench.shot.notice, "microphone-changed");
  assert.equal(bench.shot.local.mic, true);
  const [sent] = await tracksOf(bench);
  assert.equal(sent, bench.devices.open("audio").at(-1));
  assert.equal(bench.devices.open("audio").length, 1);
  assert.equal(bench.shot.devices.chosen.microphone, null);
});

test("a device in use that nobody chose is pulled out: another one takes its place, if there is one", async () => {
  const bench = await connected();
  bench.devices.open("video")[0]?.end();
  await settle();
  assert.deepEqual([bench.shot.notice, bench.shot.local.camera], ["camera-changed", true]);
  bench.devices.found = [];
  bench.devices.open("video")[0]?.end();
  await settle();
  assert.deepEqual([bench.shot.notice, bench.shot.local.camera], ["camera-lost", false]);
});

test("a chosen speaker that goes is said, too", async () => {
  const bench = await connected();
  await bench.session.choose("speaker", "s1");
  bench.devices.change(FOUND.filter(({ kind }) => kind !== "audiooutput"));
  await settle();
  assert.equal(bench.shot.notice, "speaker-changed");
  assert.equal(bench.shot.devices.chosen.speaker, null);
});

// Settings

test("settings come back from Python, and go to it when they change", async () => {
  const bench = new Bench();
  await bench.command({ type: "settings", settings: { resolution: 1080 }, devices: {} });
  assert.equal(bench.shot.settings.resolution, 1080);
  await bench.start();
  assert.equal(bench.shot.settings.resolution, 1080, "a call begins with them");
  assert.equal(bench.devices.constraints.find(({ height }) => height)?.height.ideal, 1080);
  await bench.session.set({ noiseSuppression: false });
  assert.equal(bench.devices.constraints.at(-1).noiseSuppression, false);
  assert.deepEqual(bench.said("settings").at(-1)?.resp.settings, { ...DEFAULT_SETTINGS, resolution: 1080, noiseSuppression: false });
});

test("little data: a smaller picture is taken, and less is sent, at once", async () => {
  const bench = await connected();
  await bench.session.set({ isLowData: true });
  assert.equal(bench.devices.constraints.at(-1).height.ideal, 360);
  await settle();
  const { encodings } = /** @type {any} */ (bench.connection.transceivers[1]).sender.parameters;
  assert.equal(encodings[0].maxBitrate, 250_000);
  assert.equal(encodings[0].active, true, "what else was there stays");
});

test("what a screen shows is changed while it is shared", async () => {
  const bench = await connected();
  const screen = (bench.devices.picked = picked(false));
  await bench.session.shareScreen();
  await bench.session.set({ screenContent: "motion" });
  assert.equal(screen.video.contentHint, "motion");
  assert.equal(bench.devices.open("video").length, 1, "the camera is left alone");
});

test("a microphone that cannot be had with new settings stays as it is, and that is said", async () => {
  const bench = await connected();
  bench.devices.failures.microphone = new DeviceError("microphone-busy", "no");
  await bench.session.set({ echoCancellation: false });
  assert.equal(bench.shot.notice, "microphone-lost");
  assert.equal(bench.devices.open("audio").length, 1);
  assert.equal(bench.shot.local.mic, true);
});

// Voices

test("one's own voice is shown as speaking, and while muted as talking to nobody", async () => {
  const bench = await connected();
  bench.level = 0.2;
  await bench.clock.advance(ATTACK_MS + LEVEL_MS * 2);
  assert.deepEqual(bench.shot.speaking, { self: true, peer: false });
  await bench.session.toggle("mic");
  await bench.clock.advance(MUTED_MS);
  assert.equal(bench.shot.isTalkingWhileMuted, true);
  assert.equal(bench.meters.length, 1);
  const [sent] = await tracksOf(bench);
  assert.equal(sent, null, "what is listened to is not sent");
  const [microphone] = bench.devices.open("audio");
  assert.equal(bench.meters[0]?.track, microphone?.clones[0]);
  bench.level = 0;
  await bench.clock.advance(HOLD_MS + LEVEL_MS);
  assert.equal(bench.shot.isTalkingWhileMuted, false);
});

test("the peer is heard as long as its microphone is on", async () => {
  const bench = await connected();
  const [transceiver] = bench.connection.transceivers;
  assert.ok(transceiver);
  transceiver.receiver.synchronizationSources = [{ audioLevel: 0.3 }];
  await bench.clock.advance(1000);
  assert.equal(bench.shot.speaking.peer, false, "no byte has come yet");
  bench.connection.report = new Map([["a", { type: "inbound-rtp", kind: "audio", mid: "0", bytesReceived: 9, packetsReceived: 1 }]]);
  await bench.clock.advance(1500);
  assert.equal(bench.shot.speaking.peer, true);
});

test("after the call nobody listens", async () => {
  const bench = await connected();
  const [microphone] = bench.devices.open("audio");
  bench.session.hangUp();
  assert.equal(bench.meters.length, 0);
  assert.equal(microphone?.clones[0]?.isStopped, true);
  assert.deepEqual(bench.shot.speaking, { self: false, peer: false });
  await bench.clock.advance(60_000);
  assert.equal(bench.clock.pending, 0);
});

test("held to talk: on until it is let go, unless it was on already", async () => {
  const bench = await connected();
  await bench.session.pushToTalk(true);
  await bench.session.pushToTalk(false);
  assert.equal(bench.shot.local.mic, true);
  await bench.session.toggle("mic");
  await bench.session.pushToTalk(true);
  await bench.session.pushToTalk(true);
  assert.equal(bench.shot.local.mic, true);
  assert.equal((await tracksOf(bench))[0]?.kind, "audio");
  await bench.session.pushToTalk(false);
  assert.equal((await tracksOf(bench))[0], null);
  void bench.session.pushToTalk(true);
  await bench.session.pushToTalk(false);
  assert.equal(bench.shot.local.mic, false, "let go at once");
});

test("who turns the microphone on while it is held keeps it on", async () => {
  const bench = await connected();
  await bench.session.toggle("mic");
  await bench.session.pushToTalk(true);
  await bench.session.toggle("mic");
  await bench.session.toggle("mic");
  await bench.session.pushToTalk(false);
  assert.equal(bench.shot.local.mic, true);
});
