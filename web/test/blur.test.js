// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlurredCamera } from "../static/call/blur.js";
import { blurBackground, DOWN_FRAMES, follow, Pace, sizeWithin, toAlpha, toInput, UP_FRAMES } from "../static/call/blur-core.js";
import { DEFAULT_SETTINGS } from "../static/call/settings.js";
import { Bench } from "./support/bench.js";
import { FakeTrack, settle } from "./support/fakes.js";

class FakeBlurWorker extends EventTarget {
  /** @type {any[]} */
  posted = [];
  isTerminated = false;

  /** @param {any} message */
  postMessage(message) {
    this.posted.push(message);
  }

  terminate() {
    this.isTerminated = true;
  }

  /** @param {any} data */
  say(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

/** @param {object} [pipe] */
function blurred(pipe = {}) {
  const camera = new FakeTrack("video");
  const output = new FakeTrack("video");
  const worker = new FakeBlurWorker();
  /** @type {string[]} */
  const states = [];
  let closed = 0;
  /** @type {any} */
  const engine = {
    createWorker: () => worker,
    createPipe: () => ({ output, streams: { readable: 1 }, transfer: [], close: () => (closed += 1), ...pipe }),
  };
  const made = new BlurredCamera(/** @type {any} */ (camera), engine, (state) => states.push(state));
  return { camera, output, worker, states, made, closed: () => closed };
}

test("loading, on, slow and on again, until it ends with its track", () => {
  const { camera, output, worker, states, made, closed } = blurred();
  assert.deepEqual([made.state, worker.posted], ["loading", [{ type: "start", readable: 1 }]]);
  for (const message of [{ type: "on" }, { type: "on" }, { type: "pace", isReduced: true }, { type: "pace", isReduced: false }]) worker.say(message);
  assert.deepEqual(states, ["on", "slow", "on"]);
  made.track.stop();
  assert.deepEqual([states.at(-1), camera.isStopped, output.isStopped, worker.isTerminated, closed()], ["off", true, true, true, 1]);
  worker.say({ type: "failed" });
  assert.equal(states.length, 4);
});

test("it fails by its worker's word, or its worker's end", () => {
  const { worker, made } = blurred();
  worker.say({ type: "failed", message: "no model" });
  assert.equal(made.state, "failed");
  worker.say({ type: "on" });
  assert.equal(made.state, "failed");
  const other = blurred();
  other.worker.dispatchEvent(new Event("error"));
  assert.equal(other.made.state, "failed");
});

test("released, the camera goes on", () => {
  const { camera, worker, made, closed } = blurred();
  assert.equal(made.release(), camera);
  assert.deepEqual([camera.isStopped, worker.isTerminated, closed(), made.state], [false, true, 1, "off"]);
});

test("a camera that is gone ends the track that stands for it, and tells what it is of", () => {
  const { camera, made } = blurred();
  camera.settings = { deviceId: "c1", height: 720 };
  assert.deepEqual(made.track.getSettings(), { deviceId: "c1", height: 720 });
  let ended = 0;
  made.track.addEventListener("ended", () => (ended += 1));
  camera.end();
  assert.equal(ended, 1);
});

test("without streams pictures are asked for one by one", async () => {
  /** @type {any[]} */
  const shown = [];
  const { worker, made } = blurred({ take: async () => ({ frame: null, width: 4, height: 3 }), show: (/** @type {any} */ picture) => shown.push(picture) });
  worker.say({ type: "want" });
  await settle();
  assert.deepEqual(worker.posted.at(-1), { type: "frame", frame: null, width: 4, height: 3 });
  worker.say({ type: "picture", picture: "p" });
  assert.deepEqual(shown, ["p"]);
  made.release();
  worker.say({ type: "want" });
  await settle();
  assert.equal(worker.posted.length, 2);
});

test("an engine that cannot leaves nothing running", () => {
  const worker = new FakeBlurWorker();
  const engine = { createWorker: () => worker, createPipe: () => assert.fail("no canvas") };
  assert.throws(() => new BlurredCamera(/** @type {any} */ (new FakeTrack("video")), engine, () => {}));
  assert.equal(worker.isTerminated, true);
});

// In a call

const ON = { ...DEFAULT_SETTINGS, isBackgroundBlurred: true };

/** @param {Bench} bench */
const sentHistory = (bench) => /** @type {any} */ (bench.connection.transceivers[1]).sender.history;

test("switched on in a call, the camera's own picture is sent no more; switched off, it is again", async () => {
  const bench = new Bench();
  await bench.connected();
  const camera = bench.shot.camera;
  await bench.session.set({ isBackgroundBlurred: true });
  const [blur] = bench.blurs;
  assert.equal(bench.shot.camera, blur?.track);
  assert.deepEqual(sentHistory(bench).slice(-2), [null, blur?.track]);
  assert.deepEqual([bench.shot.blur, bench.shot.local.camera], ["loading", true]);
  blur?.turn("on");
  assert.equal(bench.shot.blur, "on");
  await bench.session.set({ isBackgroundBlurred: false });
  assert.deepEqual([bench.shot.camera, bench.shot.blur, /** @type {any} */ (camera).isStopped], [camera, "off", false]);
  assert.equal(sentHistory(bench).at(-1), camera);
});

test("as the setting was kept, the first picture is blurred; the camera goes off with it", async () => {
  const bench = new Bench();
  await bench.command({ type: "settings", settings: ON, devices: {} });
  await bench.connected();
  assert.ok(sentHistory(bench).every((/** @type {any} */ track) => track === null || track === bench.blurs[0]?.track));
  assert.equal(bench.shot.camera, bench.blurs[0]?.track);
  await bench.session.toggle("camera");
  assert.deepEqual([bench.shot.camera, bench.blurs[0]?.camera.isStopped], [null, true]);
});

test("where it fails, nothing is sent, and that is said", async () => {
  const bench = new Bench();
  await bench.connected();
  await bench.session.set({ isBackgroundBlurred: true });
  bench.blurs[0]?.turn("failed");
  await settle();
  assert.deepEqual([bench.shot.camera, bench.shot.notice, bench.shot.blur], [null, "no-blur", "failed"]);
  assert.equal(bench.blurs[0]?.camera.isStopped, true);
  assert.equal(sentHistory(bench).at(-1), null);
});

test("where it cannot begin, nothing is sent either", async () => {
  const bench = new Bench();
  await bench.connected();
  const camera = /** @type {any} */ (bench.shot.camera);
  bench.isBlurRefused = true;
  await bench.session.set({ isBackgroundBlurred: true });
  assert.deepEqual([bench.shot.camera, bench.shot.notice, camera.isStopped], [null, "no-blur", true]);
  assert.equal(sentHistory(bench).at(-1), null);
  assert.equal((await bench.command({ type: "media", source: "camera", enable: true })).code, "no-blur");
  assert.equal(bench.shot.camera, null);
});

test("a slow computer is said, until it is no more", async () => {
  const bench = new Bench();
  await bench.connected();
  await bench.session.set({ isBackgroundBlurred: true });
  bench.blurs[0]?.turn("slow");
  assert.equal(bench.shot.notice, "slow-blur");
  bench.blurs[0]?.turn("on");
  assert.equal(bench.shot.notice, null);
});

test("a camera turned off while the blur is begun stays off", async () => {
  const bench = new Bench();
  await bench.connected();
  const setting = bench.session.set({ isBackgroundBlurred: true });
  await Promise.all([setting, bench.session.toggle("camera")]);
  await settle();
  assert.deepEqual([bench.shot.camera, bench.shot.local.camera], [null, false]);
  assert.ok(bench.blurs.every(({ camera }) => camera.isStopped));
  assert.equal(sentHistory(bench).at(-1), null);
});

// What is computed

test("a computer that is too slow gets smaller, then fewer pictures, and more when it can", () => {
  const pace = new Pace();
  const run = (/** @type {number} */ count, /** @type {number} */ duration) => {
    for (let frame = 0; frame < count; frame += 1) pace.done(duration, 720);
  };
  run(100, 10);
  assert.deepEqual([pace.step.rate, pace.isReduced], [30, false]);
  run(DOWN_FRAMES, 200);
  assert.deepEqual([pace.step.height, pace.isReduced], [540, true]);
  run(UP_FRAMES, 1);
  const steps = new Set();
  for (let round = 0; round < 10; round += 1) {
    run(DOWN_FRAMES, 200);
    steps.add(`${pace.step.height} ${pace.step.rate}`);
  }
  assert.equal([...steps].at(-1), "270 8");
  // once it has gone up and down again, it waits longer
  run(UP_FRAMES, 1);
  assert.equal(pace.step.rate, 8);
  run(UP_FRAMES, 1);
  assert.equal(pace.step.rate, 12);
});

test("pictures come at the rate of the step", () => {
  const pace = new Pace();
  for (let frame = 0; frame < 40; frame += 1) pace.done(500, 720);
  const interval = 1000 / pace.step.rate;
  let count = 0;
  for (let now = 0; now < 3000; now += 1000 / 30) count += pace.isDue(now) ? 1 : 0;
  assert.ok(Math.abs(count - 3000 / interval) <= 2, `${count} pictures`);
});

test("sizes are even, and only ever smaller", () => {
  assert.deepEqual(sizeWithin(1280, 720, 360), { width: 640, height: 360 });
  assert.deepEqual(sizeWithin(333, 251, 1080), { width: 334, height: 252 });
  assert.deepEqual(sizeWithin(721, 1281, 360), { width: 202, height: 360 });
});

test("the model gets red, green and blue from 0 to 1", () => {
  const input = new Float32Array(6);
  toInput(new Uint8ClampedArray([255, 0, 51, 9, 0, 255, 102, 9]), input);
  assert.deepEqual([...input].map((value) => Number(value.toFixed(2))), [1, 0, 0.2, 0, 1, 0.4]);
});

test("an outline follows what is found, and doubt is background", () => {
  const mask = new Float32Array([0, 1, 0.4]);
  follow(mask, new Float32Array([1, 1, 0.4]));
  assert.deepEqual([...mask].map((value) => Number(value.toFixed(2))), [0.7, 1, 0.4]);
  const pixels = new Uint8ClampedArray(12);
  toAlpha(new Float32Array([0.4, 0.6, 0.9]), pixels);
  assert.deepEqual([pixels[3], pixels[7], pixels[11]], [0, 128, 255]);
});

test("a blur keeps what is even, levels what is not, and leaves the person out", () => {
  const [width, height] = [32, 18];
  const mask = new Float32Array(width * height);
  const even = new Uint8ClampedArray(width * height * 4).fill(100);
  blurBackground(even, mask, width, 3);
  assert.ok(even.every((value, at) => (at % 4 === 3 ? value === 255 : Math.abs(value - 100) <= 1)));

  const stripes = new Uint8ClampedArray(width * height * 4);
  for (let at = 0; at < width * height; at += 1) stripes.fill(at % 2 ? 255 : 0, at * 4, at * 4 + 4);
  blurBackground(stripes, mask, width, 3);
  assert.ok(stripes.every((value, at) => at % 4 === 3 || (value > 60 && value < 195)));

  // black, but for a white person in the left half
  const person = new Uint8ClampedArray(width * height * 4);
  for (let at = 0; at < width * height; at += 1) {
    if (at % width < 16) {
      mask[at] = 1;
      person.fill(255, at * 4, at * 4 + 4);
    }
  }
  blurBackground(person, mask, width, 3);
  assert.ok(/** @type {number} */ (person[(9 * width + 17) * 4]) < 15);
});
