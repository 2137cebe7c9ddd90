// @ts-check
/** The preview before a call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_MS } from "../static/call/candidates.js";
import { DeviceError } from "../static/call/devices.js";
import { Bench, KEY } from "./support/bench.js";
import { settle } from "./support/fakes.js";

/**
 * A page that shows the preview.
 *
 * @param {object} [command]
 */
async function previewing(command = { type: "capabilities", media: "video" }) {
  const bench = new Bench();
  const handled = bench.session.handle({ corrId: 99, command: { iceServers: [], aesKey: KEY, ...command, preview: true } });
  await settle();
  assert.equal(bench.shot.phase, "previewing");
  const go = async () => {
    await settle();
    await bench.clock.advance(FIRST_MS);
    await handled;
    return bench.responses.find(({ corrId }) => corrId === 99)?.resp;
  };
  return { bench, go };
}

test("the devices are open, and nothing is answered until the user begins", async () => {
  const { bench, go } = await previewing();
  assert.deepEqual(bench.shot.local, { mic: true, camera: true, screenAudio: false, screenVideo: false });
  assert.deepEqual(bench.said("capabilities"), []);
  bench.session.begin("video");
  assert.equal((await go()).media, "video");
  assert.equal(bench.shot.phase, "waiting");
  assert.equal(bench.devices.constraints.length, 2);
});

test("a video call becomes an audio call: the camera goes off", async () => {
  const { bench, go } = await previewing();
  bench.session.begin("audio");
  assert.equal((await go()).media, "audio");
  assert.equal(bench.shot.media, "audio");
  assert.equal(bench.shot.camera, null);
});

test("an audio call becomes a video call", async () => {
  const { bench, go } = await previewing({ type: "capabilities", media: "audio" });
  assert.equal(bench.shot.camera, null);
  bench.session.begin("video");
  assert.equal((await go()).media, "video");
  await settle();
  assert.notEqual(bench.shot.camera, null);
});

test("what was muted in the preview stays muted", async () => {
  const { bench, go } = await previewing();
  await bench.session.toggle("mic");
  bench.session.begin("video");
  await go();
  assert.equal(bench.shot.local.mic, false);
});

test("accepted with audio only: the offer has room for a camera that is off", async () => {
  const { bench, go } = await previewing({ type: "start", media: "video" });
  assert.equal(bench.connections.length, 0);
  bench.session.begin("audio");
  assert.equal((await go()).type, "offer");
  assert.deepEqual(bench.sent(), ["audio", null, null, null]);
  assert.equal(bench.connection.transceivers.length, 4);
});

for (const how of ["the user", "Python"]) {
  test(`${how} ends it: all is given back, and the command is answered`, async () => {
    const { bench, go } = await previewing();
    if (how === "Python") await bench.command({ type: "end" });
    else bench.session.hangUp();
    assert.equal((await go()).code, "ended");
    assert.equal(bench.shot.phase, "ended");
    assert.ok(bench.devices.tracks.every(({ isStopped }) => isStopped));
    bench.session.begin("video");
    assert.equal(bench.shot.phase, "ended");
  });
}

test("without a microphone the preview says so, and the call fails when it begins", async () => {
  const bench = new Bench();
  bench.devices.failures.microphone = new DeviceError("no-microphone", "none");
  const handled = bench.session.handle({ command: { type: "capabilities", media: "audio", preview: true } });
  await settle();
  assert.equal(bench.shot.phase, "previewing");
  assert.equal(bench.shot.notice, "microphone-lost");
  bench.session.begin("audio");
  await handled;
  assert.equal(bench.shot.error, "no-microphone");
});

test("the preview is seen once a call", async () => {
  const { bench, go } = await previewing();
  bench.session.begin("video");
  await go();
  // the other side took our invitation after all
  assert.equal((await bench.capabilities({ preview: true })).type, "capabilities");
  assert.equal(bench.shot.phase, "waiting");
});
