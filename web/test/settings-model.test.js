// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { noDevices } from "../static/call/preferences.js";
import { changedSettings, DEFAULT_SETTINGS } from "../static/call/settings.js";
import { deviceChoices, meterShare, PICTURE_CHOICES, SOUND_SWITCHES } from "../static/call/settings-model.js";
import { translator } from "../static/common/catalogue.js";

const TEXTS = JSON.parse(readFileSync(new URL("../../app/simplex_calls/locales/en/call.json", import.meta.url), "utf8"));
const t = translator(TEXTS);

test("devices are chosen by their names, under the system's choice", () => {
  const devices = {
    ...noDevices(),
    microphones: [{ id: "a", label: "Headset" }, { id: "b", label: "" }],
    chosen: { ...noDevices().chosen, microphone: "b" },
  };
  const [microphone, camera, speaker] = deviceChoices(devices, t, { canChooseSpeaker: true });
  assert.deepEqual(microphone, {
    kind: "microphone",
    chosen: "b",
    options: [{ value: "", label: "The system's choice" }, { value: "a", label: "Headset" }, { value: "b", label: "Microphone 2" }],
  });
  assert.deepEqual([camera?.chosen, camera?.options.length, speaker?.kind], ["", 1, "speaker"]);
  assert.equal(deviceChoices(devices, t, { canChooseSpeaker: false }).length, 2);
});

test("a meter goes by decibels", () => {
  assert.equal(meterShare(null), 0);
  assert.equal(meterShare(0), 0);
  assert.equal(meterShare(1), 1);
  assert.equal(meterShare(2), 1);
  assert.equal(meterShare(0.0001), 0);
  assert.ok(Math.abs(meterShare(0.03162) - 0.5) < 0.001);
});

test("everything that is offered is a setting, and has its words", () => {
  for (const name of [...SOUND_SWITCHES, ...PICTURE_CHOICES.map((choice) => choice.name), "isLowData"]) {
    assert.ok(name in DEFAULT_SETTINGS, name);
    assert.ok(TEXTS[`call.settings.${name}`], name);
  }
  for (const { name, values } of PICTURE_CHOICES) {
    for (const value of values) {
      assert.equal(changedSettings(DEFAULT_SETTINGS, { [name]: value })[name], value);
      assert.ok(TEXTS[`call.settings.${name}.${value}`], `${name} ${value}`);
    }
  }
  for (const name of ["isBitrateConstant", "isLowData"]) assert.ok(TEXTS[`call.settings.${name}.help`]);
  for (const kind of ["microphone", "camera", "speaker"]) {
    for (const id of [kind, `unnamed.${kind}`]) assert.ok(TEXTS[`call.settings.${id}`], id);
  }
});
