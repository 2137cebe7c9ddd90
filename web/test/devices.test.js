// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceError, Devices } from "../static/call/devices.js";
import { FakeTrack } from "./support/fakes.js";

/** @param {string} name */
function failing(name) {
  const getUserMedia = () => Promise.reject(Object.assign(new Error("no"), { name }));
  return new Devices({ getUserMedia });
}

const CASES = [
  ["NotAllowedError", "permission-denied", "camera-denied"],
  ["SecurityError", "permission-denied", "camera-denied"],
  ["NotFoundError", "no-microphone", "no-camera"],
  ["OverconstrainedError", "no-microphone", "no-camera"],
  ["NotReadableError", "microphone-busy", "camera-busy"],
  ["AbortError", "microphone-busy", "camera-busy"],
];

for (const [name = "", microphone, camera] of CASES) {
  test(`${name} has a code for each device`, async () => {
    const has = (/** @type {string | undefined} */ code) => (/** @type {unknown} */ error) =>
      error instanceof DeviceError && error.code === code;
    await assert.rejects(failing(name).microphone({}), has(microphone));
    await assert.rejects(failing(name).camera({}), has(camera));
  });
}

test("an insecure page has no devices at all", async () => {
  await assert.rejects(new Devices(undefined).microphone({}), { code: "no-microphone" });
});

test("camera and microphone are asked for apart, as they are wanted", async () => {
  /** @type {any[]} */
  const asked = [];
  const track = new FakeTrack("video");
  const devices = new Devices({
    getUserMedia: async (constraints) => {
      asked.push(constraints);
      return /** @type {any} */ ({ getTracks: () => [track] });
    },
  });
  assert.equal(await devices.camera({ facingMode: "environment" }), track);
  await devices.microphone({});
  assert.equal(asked[0].video.facingMode, "environment");
  assert.equal(asked[0].audio, undefined);
  assert.equal(asked[1].video, undefined);
});

/** @param {Partial<MediaDevices>} media */
const devicesOf = (media) => new Devices(/** @type {any} */ (media));

test("a screen comes with its sound where the engine gives it", async () => {
  const [video, audio] = [new FakeTrack("video"), new FakeTrack("audio")];
  /** @type {any} */
  let asked;
  const stream = (/** @type {FakeTrack[]} */ sounds) => ({ getVideoTracks: () => [video], getAudioTracks: () => sounds });
  const sharing = (/** @type {FakeTrack[]} */ sounds) =>
    devicesOf({ getDisplayMedia: async (options) => /** @type {any} */ (((asked = options), stream(sounds))) });
  assert.deepEqual(await sharing([audio]).screen({ audio: true }), { video, audio });
  assert.deepEqual(asked, { audio: true });
  assert.deepEqual(await sharing([]).screen({}), { video, audio: null });
  assert.equal(sharing([]).canShare, true);
});

test("a user who picks nothing is no error; an engine that cannot share is", async () => {
  const failingAt = (/** @type {string} */ name) =>
    devicesOf({ getDisplayMedia: () => Promise.reject(Object.assign(new Error("no"), { name })) });
  for (const name of ["NotAllowedError", "AbortError"]) assert.equal(await failingAt(name).screen({}), null);
  await assert.rejects(failingAt("NotReadableError").screen({}), { code: "no-screen" });
  await assert.rejects(devicesOf({}).screen({}), { code: "no-screen" });
  assert.equal(devicesOf({}).canShare, false);
  assert.equal(new Devices(undefined).canShare, false);
});

test("what there is is listed, and told when it changes; an engine that will not say has nothing", async () => {
  const found = [{ kind: "audioinput", deviceId: "a", label: "A" }];
  /** @type {any} */
  let listener;
  const devices = devicesOf({
    enumerateDevices: async () => /** @type {any} */ (found),
    addEventListener: (/** @type {string} */ name, /** @type {any} */ callback) => (listener = { name, callback }),
  });
  assert.deepEqual(await devices.list(), found);
  let count = 0;
  devices.watch(() => (count += 1));
  assert.equal(listener.name, "devicechange");
  listener.callback();
  assert.equal(count, 1);
  assert.deepEqual(await new Devices(undefined).list(), []);
  assert.deepEqual(await devicesOf({ enumerateDevices: () => Promise.reject(new Error("no")) }).list(), []);
});
