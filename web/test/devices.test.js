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
    await assert.rejects(failing(name).microphone(), has(microphone));
    await assert.rejects(failing(name).camera("user"), has(camera));
  });
}

test("an insecure page has no devices at all", async () => {
  await assert.rejects(new Devices(undefined).microphone(), { code: "no-microphone" });
});

test("the camera that faces the wanted way is asked for, apart from the microphone", async () => {
  /** @type {any[]} */
  const asked = [];
  const track = new FakeTrack("video");
  const devices = new Devices({
    getUserMedia: async (constraints) => {
      asked.push(constraints);
      return /** @type {any} */ ({ getTracks: () => [track] });
    },
  });
  assert.equal(await devices.camera("environment"), track);
  await devices.microphone();
  assert.equal(asked[0].video.facingMode, "environment");
  assert.equal(asked[0].audio, undefined);
  assert.equal(asked[1].video, undefined);
});
