// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallEncryption, EncryptionError, transformSupport } from "../static/call/encryption.js";
import { FakeClock, FakeTransceiver, FakeWorker } from "./support/fakes.js";

const KEY = Buffer.alloc(32, 1).toString("base64url") + "=";

/** @param {"streams" | "script" | null} support */
function build(support) {
  const worker = new FakeWorker();
  const clock = new FakeClock();
  const engine = {
    support,
    clock,
    createWorker: () => /** @type {any} */ (worker),
    createScriptTransform: (/** @type {any} */ target, /** @type {object} */ options) => target.scriptTransform(options),
  };
  return { worker, clock, engine };
}

const transceiver = (/** @type {string} */ kind) => {
  const fake = new FakeTransceiver(kind, "0", "sendrecv");
  return { fake, real: /** @type {RTCRtpTransceiver} */ (/** @type {unknown} */ (fake)) };
};

test("what the engine has decides, streams first: they send nothing until they are piped", () => {
  const Worker = function () {};
  const RTCRtpScriptTransform = function () {};
  class WithStreams {
    createEncodedStreams() {}
  }
  assert.equal(transformSupport({ Worker, RTCRtpSender: WithStreams, RTCRtpScriptTransform }), "streams");
  assert.equal(transformSupport({ Worker, RTCRtpSender: class {}, RTCRtpScriptTransform }), "script");
  assert.equal(transformSupport({ Worker, RTCRtpSender: class {} }), null);
  assert.equal(transformSupport({ RTCRtpSender: WithStreams, RTCRtpScriptTransform }), null);
  assert.equal(transformSupport({ Worker }), null);
});

test("without support there is no encryption, and no worker", () => {
  const { engine } = build(null);
  engine.createWorker = () => assert.fail("a worker was started");
  assert.throws(() => new CallEncryption(engine, KEY), EncryptionError);
});

for (const support of /** @type {const} */ (["streams", "script"])) {
  test(`${support}: both directions are set in the same task`, async () => {
    const { engine, worker } = build(support);
    const encryption = new CallEncryption(engine, KEY);
    const { fake, real } = transceiver("video");
    encryption.protect(real, "camera");
    const operations = worker.messages.filter(({ type }) => type === "transform").map(({ operation, media, track }) => [operation, media, track]);
    assert.deepEqual(operations, [
      ["encrypt", "video", "camera"],
      ["decrypt", "video", "camera"],
    ]);
    assert.equal(fake.sender.transform !== null, support === "script");
    assert.equal(fake.receiver.transform !== null, support === "script");
    assert.deepEqual(encryption.configuration, support === "streams" ? { encodedInsertableStreams: true } : {});
    await encryption.ready();
  });

  test(`${support}: not ready before the worker has confirmed; never, if it does not`, async () => {
    const { engine, worker, clock } = build(support);
    worker.isSilent = true;
    const encryption = new CallEncryption(engine, KEY);
    encryption.protect(transceiver("audio").real, "mic");
    const ready = encryption.ready();
    const outcome = assert.rejects(ready, EncryptionError);
    await clock.advance(60_000);
    await outcome;
  });
}

test("the key goes to the worker first, as bytes", () => {
  const { engine, worker } = build("streams");
  new CallEncryption(engine, KEY);
  assert.equal(worker.messages[0].type, "key");
  assert.deepEqual([...worker.messages[0].key], Array(32).fill(1));
});

test("a key that comes later: transforms stand at once, and are confirmed only with it, however long it takes", async () => {
  const { engine, worker, clock } = build("script");
  worker.isSilent = true;
  const encryption = new CallEncryption(engine, null);
  encryption.protect(transceiver("audio").real, "mic");
  let isReady = false;
  const ready = encryption.ready().then(() => (isReady = true));
  await clock.advance(600_000);
  assert.equal(encryption.hasKey, false);
  assert.equal(isReady, false);
  assert.deepEqual(worker.messages.map(({ type }) => type), ["transform", "transform"]);
  encryption.setKey(KEY);
  assert.equal(worker.messages[2].type, "key");
  for (const { id } of worker.messages.slice(0, 2)) worker.say({ type: "ready", id });
  await ready;
  assert.throws(() => encryption.setKey(KEY), EncryptionError);
});

test("what the keys of tracks come from goes to the worker with the key; changes of keys are asked for there", () => {
  const { engine, worker } = build("streams");
  const encryption = new CallEncryption(engine, null);
  /** @type {import("../static/call/encryption.js").Tracks} */
  const tracks = { transcript: new Uint8Array(32), offering: "a", answering: "b", role: "offer" };
  encryption.setKey(KEY, tracks);
  assert.deepEqual(worker.messages[0].tracks, tracks);
  encryption.changeKeys();
  assert.deepEqual(worker.messages[1], { type: "changeKeys" });
  encryption.close();
  encryption.changeKeys();
  assert.equal(worker.messages.length, 2);
});

test("with its late key a silent worker has no more time than others", async () => {
  const { engine, worker, clock } = build("streams");
  worker.isSilent = true;
  const encryption = new CallEncryption(engine, null);
  encryption.protect(transceiver("audio").real, "mic");
  encryption.setKey(KEY);
  const outcome = assert.rejects(encryption.ready(), EncryptionError);
  await clock.advance(60_000);
  await outcome;
});

test("a worker that fails, or does not load, makes everything fail", async () => {
  for (const event of [Object.assign(new Event("message"), { data: { type: "failed", message: "no" } }), new Event("error")]) {
    const { engine, worker, clock } = build("streams");
    worker.isSilent = true;
    const encryption = new CallEncryption(engine, KEY);
    encryption.protect(transceiver("audio").real, "mic");
    worker.dispatchEvent(event);
    await assert.rejects(encryption.ready(), EncryptionError);
    assert.equal(await encryption.counters(), null);
    encryption.protect(transceiver("audio").real, "mic");
    await assert.rejects(encryption.ready(), EncryptionError);
    assert.equal(clock.pending, 0);
  }
});

test("counters come from the worker; without an answer there are none", async () => {
  const { engine, worker, clock } = build("script");
  const encryption = new CallEncryption(engine, KEY);
  assert.equal(await encryption.counters(), worker.counters);
  worker.isSilent = true;
  const counters = encryption.counters();
  await clock.advance(5000);
  assert.equal(await counters, null);
  encryption.close();
  assert.equal(worker.isTerminated, true);
  assert.equal(await encryption.counters(), null);
});
