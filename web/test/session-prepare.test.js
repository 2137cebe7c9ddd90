// @ts-check
/** What a page does while it rings, here or at the contact's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SETTLE_MS } from "../static/call/candidates.js";
import { DeviceError } from "../static/call/devices.js";
import { Bench, KEY, unpack } from "./support/bench.js";
import { settle } from "./support/fakes.js";

const SERVERS = { iceServers: [{ urls: "turn:t", username: "1:a", credential: "b" }], relay: false };

/** A page of a call that rings, with its first candidates. */
async function prepared(more = {}) {
  const bench = new Bench();
  const answer = await bench.command({ type: "prepare", media: "video", aesKey: KEY, ...SERVERS, ...more });
  assert.deepEqual(answer, { type: "ok" });
  bench.connection.gather("early");
  await bench.clock.advance(SETTLE_MS);
  return bench;
}

test("while it rings: ways are looked for, no device is opened and nothing is said", async () => {
  const bench = await prepared({ features: ["channel"] });
  assert.equal(bench.shot.phase, "idle");
  assert.equal(bench.connection.transceivers.length, 4);
  assert.equal(bench.connection.channels.length, 1);
  assert.deepEqual(bench.connection.localDescription, { type: "offer", sdp: "our offer" });
  assert.deepEqual(bench.devices.constraints, []);
  assert.deepEqual(bench.said("ice"), []);
  assert.equal(bench.responses.length, 1);
});

test("accepted: the offer leaves with what was found, before the microphone is open", async () => {
  const bench = await prepared();
  bench.devices.isHeld = true;
  const servers = [{ urls: "turn:t", username: "2:a", credential: "c" }];
  const handled = bench.session.handle({ command: { type: "start", media: "video", aesKey: KEY, ...SERVERS, iceServers: servers } });
  await handled;
  const [{ resp: offer }] = bench.said("offer");
  assert.deepEqual(unpack(offer.iceCandidates), [{ candidate: "early" }]);
  assert.equal(bench.connections.length, 1);
  assert.deepEqual(bench.sent(), [null, null, null, null]);
  bench.devices.release();
  await settle();
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  assert.equal(bench.workers.length, 1);
});

test("accepted, but there is no microphone: the call ends and says why", async () => {
  const bench = await prepared();
  bench.devices.failures.microphone = new DeviceError("no-microphone", "The microphone is missing.");
  await bench.start(SERVERS);
  assert.equal(bench.shot.phase, "failed");
  assert.equal(bench.shot.error, "no-microphone");
  assert.equal(bench.said("error")[0].resp.code, "no-microphone");
  assert.ok(bench.connection.isClosed);
});

for (const [what, more] of /** @type {[string, object][]} */ ([
  ["only through relays", { relay: true }],
  ["through other servers", { iceServers: [{ urls: "turn:u" }] }],
  ["with another key", { aesKey: Buffer.alloc(32, 2).toString("base64") }],
  ["without a key", { aesKey: undefined }],
])) {
  test(`accepted ${what}: nothing that was prepared is used`, async () => {
    const bench = await prepared();
    const offer = await bench.start({ ...SERVERS, ...more });
    assert.deepEqual(unpack(offer.iceCandidates), []);
    assert.equal(bench.connections.length, 2);
    assert.ok(bench.connections[0]?.isClosed);
    assert.ok(!bench.connections[1]?.isClosed);
  });
}

test("not accepted: what was prepared is given back", async () => {
  const bench = await prepared();
  await bench.command({ type: "end" });
  assert.ok(bench.connection.isClosed);
});

test("an engine that cannot encrypt prepares nothing, and fails when it is wanted", async () => {
  const bench = new Bench();
  bench.support = null;
  assert.deepEqual(await bench.command({ type: "prepare", media: "video", aesKey: KEY, ...SERVERS }), { type: "ok" });
  assert.equal(bench.connections.length, 0);
  assert.equal((await bench.start(SERVERS)).code, "no-encryption");
});

test("we call, and the devices are allowed: it rings before they are open", async () => {
  const bench = new Bench();
  bench.devices.isAllowed = true;
  bench.devices.isHeld = true;
  assert.equal((await bench.capabilities(SERVERS)).type, "capabilities");
  assert.equal(bench.shot.phase, "waiting");
  assert.equal(bench.connections.length, 0);
  assert.ok(!bench.session.hasMicrophone);
  bench.devices.release();
  await settle();
  assert.ok(bench.session.hasMicrophone);
  assert.equal(bench.connection.configuration.iceCandidatePoolSize, 1);
  const answer = await bench.offer(SERVERS);
  assert.equal(answer.type, "answer");
  assert.equal(bench.connections.length, 1);
  assert.equal(bench.workers.length, 1);
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
});

test("we call, and there is no microphone after all: the call ends and says why", async () => {
  const bench = new Bench();
  bench.devices.isAllowed = true;
  bench.devices.failures.microphone = new DeviceError("no-microphone", "The microphone is missing.");
  await bench.capabilities(SERVERS);
  assert.equal(bench.shot.error, "no-microphone");
  assert.equal(bench.said("ended").length, 1);
});

test("we call: an offer without a key takes nothing that was prepared for one", async () => {
  const bench = new Bench();
  await bench.capabilities(SERVERS);
  await settle();
  await bench.offer({ ...SERVERS, aesKey: undefined });
  assert.equal(bench.connections.length, 2);
  assert.ok(bench.connections[0]?.isClosed);
});
