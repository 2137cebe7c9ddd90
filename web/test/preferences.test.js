// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Preferences } from "../static/call/preferences.js";
import { DEFAULT_SETTINGS } from "../static/call/settings.js";

/** @type {any[]} */
const FOUND = [
  { kind: "audioinput", deviceId: "default", label: "Default – Headset" },
  { kind: "audioinput", deviceId: "m1", label: "Built-in" },
  { kind: "audioinput", deviceId: "m2", label: "Headset" },
  { kind: "videoinput", deviceId: "c1", label: "Camera" },
  { kind: "audiooutput", deviceId: "s1", label: "Speaker" },
  { kind: "audiooutput", deviceId: "", label: "" },
];

function preferences() {
  const made = new Preferences();
  made.refresh(FOUND);
  return made;
}

test("devices by their kind; the engine's stand-ins for the default are none", () => {
  assert.deepEqual(preferences().devices, {
    microphones: [{ id: "m1", label: "Built-in" }, { id: "m2", label: "Headset" }],
    cameras: [{ id: "c1", label: "Camera" }],
    speakers: [{ id: "s1", label: "Speaker" }],
    chosen: { microphone: null, camera: null, speaker: null },
  });
});

test("what is chosen is kept with its name; what is not there cannot be chosen", () => {
  const made = preferences();
  assert.equal(made.choose("microphone", "m2"), true);
  assert.equal(made.choose("camera", "m2"), false);
  assert.equal(made.devices.chosen.microphone, "m2");
  assert.deepEqual(made.kept, {
    settings: DEFAULT_SETTINGS,
    devices: { microphone: { id: "m2", label: "Headset" }, camera: null, speaker: null },
  });
  assert.equal(made.choose("microphone", null), true);
  assert.equal(made.kept.devices.microphone, null);
});

test("what was kept is found by its id or, if the engine gave it another, by its name", () => {
  const made = preferences();
  made.restore({ settings: { resolution: 1080 }, devices: { microphone: { id: "old", label: "Headset" }, camera: { id: "c1", label: "?" } } });
  assert.equal(made.settings.resolution, 1080);
  assert.deepEqual(made.devices.chosen, { microphone: "m2", camera: "c1", speaker: null });
  made.restore({ devices: { microphone: { id: "gone", label: "" }, camera: 1, speaker: { id: 1, label: "Speaker" } } });
  assert.deepEqual(made.devices.chosen, { microphone: null, camera: null, speaker: null });
  assert.deepEqual(made.settings, DEFAULT_SETTINGS);
  made.restore({ devices: { speaker: { id: "s1", label: "x".repeat(300) } } });
  assert.equal(made.kept.devices.speaker, null);
});

test("a chosen device that goes is told once; the choice outlives it", () => {
  const made = preferences();
  made.choose("microphone", "m2");
  made.choose("speaker", "s1");
  assert.deepEqual(made.refresh(FOUND), []);
  assert.deepEqual(made.refresh(FOUND.slice(0, 2)), ["microphone", "speaker"]);
  assert.deepEqual(made.refresh(FOUND.slice(0, 2)), []);
  assert.equal(made.devices.chosen.microphone, null);
  assert.deepEqual(made.refresh(FOUND), []);
  assert.equal(made.devices.chosen.microphone, "m2");
});
