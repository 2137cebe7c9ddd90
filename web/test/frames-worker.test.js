// @ts-check
/** The worker itself, with streams as an engine hands them over: what somebody in between does to frames. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { webcrypto } from "node:crypto";
import { decryptFrame, importKey } from "../static/call/frames.js";
import { FrameSealer, saltOf, trackKey } from "../static/call/sframe.js";
import { until } from "./support/fakes.js";

// Node 18 has it under another name
if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

const KEY = new Uint8Array(32).fill(1);
const AGREEMENT = { transcript: new Uint8Array(32).fill(2), offering: "a", answering: "b" };

/** @typedef {{data: ArrayBuffer, type?: string}} Frame */

let instances = 0;
let id = 0;
/** What all workers of this file have said. @type {any[]} */
const said = [];
const scope = /** @type {any} */ (globalThis);
const before = { addEventListener: scope.addEventListener, postMessage: scope.postMessage };
after(() => Object.assign(scope, before));
scope.postMessage = (/** @type {any} */ message) => said.push(message);

/**
 * A worker of its own for each test: they have one key for life.
 *
 * @param {object} key  the message
 */
async function startWorker(key) {
  /** @type {Map<string, (event: any) => void>} */
  const listeners = new Map();
  scope.addEventListener = (/** @type {string} */ type, /** @type {any} */ listener) => listeners.set(type, listener);
  await import(`../static/call/frames-worker.js?${(instances += 1)}`);
  const tell = (/** @type {any} */ data) => listeners.get("message")?.({ data });
  tell(key);
  return {
    tell,
    async counters() {
      const asked = (id += 1);
      tell({ type: "count", id: asked });
      await until(() => said.some((message) => message.type === "counters" && message.id === asked));
      return said.find((message) => message.type === "counters" && message.id === asked).counters;
    },
    /**
     * @param {"encrypt" | "decrypt"} operation
     * @param {"audio" | "video"} media
     * @param {string} track
     */
    async transform(operation, media, track) {
      const into = new TransformStream();
      const out = new TransformStream();
      const options = { id: (id += 1), operation, media, track };
      tell({ type: "transform", ...options, readable: into.readable, writable: out.writable });
      await until(() => said.some(({ type, id: answered }) => type !== "counters" && answered === options.id));
      const [writer, reader] = [into.writable.getWriter(), out.readable.getReader()];
      return {
        write: (/** @type {ArrayBuffer} */ data, /** @type {string | undefined} */ type = undefined) => writer.write({ data, type }),
        read: async () => /** @type {Frame} */ ((await reader.read()).value).data,
      };
    },
  };
}

/** @param {import("../static/call/sframe.js").Side} sender  @param {string} track  @param {import("../static/call/sframe.js").Codec} codec */
const sealerOf = async (sender, track, codec) =>
  FrameSealer.of(await trackKey(KEY.slice(), saltOf(AGREEMENT), sender, track), codec);
const frameOf = (/** @type {number[]} */ ...content) => Uint8Array.from(content).buffer;

test("replayed, reflected, foreign, cut and changed frames are dropped and counted; the stream goes on", async () => {
  const worker = await startWorker({ type: "key", key: KEY.slice(), tracks: { ...AGREEMENT, role: "offer" } });
  const camera = await worker.transform("decrypt", "video", "camera");
  const theirs = await sealerOf("answer", "camera", "vp8");
  const frames = [];
  for (let n = 0; n < 6; n += 1) frames.push(await theirs.seal(frameOf(0x31, n, n, n)));
  const [first, second, third, fourth, fifth, sixth] = /** @type {ArrayBuffer[]} */ (frames);
  const flipped = (/** @type {ArrayBuffer} */ frame) => {
    const bytes = new Uint8Array(frame.slice(0));
    bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 4;
    return bytes.buffer;
  };
  const picture = frameOf(0x31, 9, 9);
  // of numbers that have not come yet
  const others = await Promise.all([sealerOf("offer", "camera", "vp8"), sealerOf("answer", "screenVideo", "vp8")]);
  for (const other of others) for (let n = 0; n < 20; n += 1) await other.seal(picture);
  const [reflected, foreign] = await Promise.all(others.map((other) => other.seal(picture)));
  for (const frame of [
    first,
    first,
    reflected,
    foreign,
    third,
    second,
    fourth?.slice(0, 8),
    flipped(fourth ?? assert.fail()),
    picture,
    fourth,
    second,
    sixth,
    fifth,
  ]) {
    void camera.write(frame ?? assert.fail());
  }
  const contents = [];
  for (let n = 0; n < 6; n += 1) contents.push(new Uint8Array(await camera.read())[1]);
  assert.deepEqual(contents, [0, 2, 1, 3, 5, 4]);
  const { decrypted, failed, replayed } = await worker.counters();
  assert.deepEqual([decrypted.video, failed.video, replayed.video], [6, 5, 2]);
  assert.deepEqual([decrypted.audio, failed.audio, replayed.audio], [0, 0, 0]);
});

test("what one page's worker seals, another's opens: pauses pass, keys change", async () => {
  const hers = await startWorker({ type: "key", key: KEY.slice(), tracks: { ...AGREEMENT, role: "offer" } });
  const out = await hers.transform("encrypt", "audio", "mic");
  const his = await startWorker({ type: "key", key: KEY.slice(), tracks: { ...AGREEMENT, role: "answer" } });
  const into = await his.transform("decrypt", "audio", "mic");
  for (const [at, sound] of [frameOf(1, 2), frameOf(), frameOf(8), frameOf(3, 4, 5)].entries()) {
    if (at === 3) hers.tell({ type: "changeKeys" });
    void out.write(sound.slice(0));
    const sealed = await out.read();
    assert.equal(sealed.byteLength > sound.byteLength, sound.byteLength > 0);
    if (sealed.byteLength) assert.equal(new Uint8Array(sealed)[0], at === 3 ? 0x10 : at === 0 ? 0 : 1);
    void into.write(sealed);
    assert.deepEqual(await into.read(), sound);
  }
  assert.equal((await hers.counters()).encrypted.audio, 3);
  assert.equal((await hers.counters()).empty.audio, 1);
  assert.equal((await his.counters()).decrypted.audio, 3);
});

test("the official scheme, as before: what is sent opens with the call's key", async () => {
  const worker = await startWorker({ type: "key", key: KEY.slice() });
  const out = await worker.transform("encrypt", "video", "camera");
  void out.write(frameOf(0x30, ...Array(30).keys()), "key");
  const sealed = await out.read();
  const key = await importKey(KEY.slice());
  assert.deepEqual(await decryptFrame(key, sealed, "key"), frameOf(0x30, ...Array(30).keys()));
  const into = await worker.transform("decrypt", "video", "camera");
  void into.write(frameOf(0x31, 1, 2, 3, 4), "delta");
  void into.write(sealed, "key");
  assert.deepEqual(await into.read(), frameOf(0x30, ...Array(30).keys()));
  const { encrypted, decrypted, failed } = await worker.counters();
  assert.deepEqual([encrypted.video, decrypted.video, failed.video], [1, 1, 1]);
});

test("a key that is none makes the worker say so", async () => {
  await startWorker({ type: "key", key: KEY.slice(), tracks: { ...AGREEMENT, offering: "", role: "offer" } });
  await until(() => said.some(({ type }) => type === "failed"));
});

test("a track gets no second cipher: it would use the numbers of the first again", async () => {
  const worker = await startWorker({ type: "key", key: KEY.slice(), tracks: { ...AGREEMENT, role: "offer" } });
  await worker.transform("encrypt", "audio", "mic");
  const failures = () => said.filter(({ type, message }) => type === "failed" && message.includes("set up")).length;
  const earlier = failures();
  void worker.transform("encrypt", "audio", "mic").catch(() => {});
  await until(() => failures() > earlier);
});
