// @ts-check
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { ControlChannel, ControlCipher, MAX_RATE, MAX_TEXT, readMessage } from "../static/call/control-channel.js";
import { FakeClock, until } from "./support/fakes.js";

// Node 18 has it under another name
if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

const KEY = Buffer.alloc(32, 7).toString("base64url");
/** @type {import("../static/call/control-channel.js").ControlMessage} */
const MEDIA = { t: "media", mic: true, camera: false, screenAudio: false, screenVideo: true };

const pair = () => ({ ours: new ControlCipher(KEY, "offer"), theirs: new ControlCipher(KEY, "answer") });
/** @param {Uint8Array<ArrayBuffer>} bytes */
const wire = (bytes) => bytes.slice().buffer;

test("what one side seals, the other opens, in both directions", async () => {
  const { ours, theirs } = pair();
  assert.deepEqual(await theirs.open(wire(await ours.seal(MEDIA))), MEDIA);
  assert.deepEqual(await ours.open(wire(await theirs.seal({ t: "bye" }))), { t: "bye" });
});

test("a message goes one way only, and once", async () => {
  const { ours, theirs } = pair();
  const first = wire(await ours.seal({ t: "bye" }));
  const second = wire(await ours.seal(MEDIA));
  assert.equal(await ours.open(first), null, "it does not come back to its sender");
  assert.deepEqual(await theirs.open(second), MEDIA);
  assert.equal(await theirs.open(second), null, "replayed");
  assert.equal(await theirs.open(first), null, "overtaken");
});

test("what was changed, cut, or sealed with another key is nothing, and does not hold up what follows", async () => {
  const { ours, theirs } = pair();
  const sealed = wire(await ours.seal(MEDIA));
  for (const index of [0, 7, 8, sealed.byteLength - 1]) {
    const changed = sealed.slice(0);
    new DataView(changed).setUint8(index, new DataView(changed).getUint8(index) ^ 1);
    assert.equal(await theirs.open(changed), null);
  }
  assert.equal(await theirs.open(sealed.slice(0, 8)), null);
  assert.equal(await theirs.open(new ArrayBuffer(0)), null);
  assert.equal(await theirs.open(new ArrayBuffer(40_000)), null);
  const other = new ControlCipher(Buffer.alloc(32, 8).toString("base64url"), "offer");
  assert.equal(await theirs.open(wire(await other.seal(MEDIA))), null);
  assert.deepEqual(await theirs.open(sealed), MEDIA);
});

test("the directions have keys of their own, and neither is the frames' key", async () => {
  const [one, two] = await Promise.all([new ControlCipher(KEY, "offer").seal({ t: "bye" }), new ControlCipher(KEY, "answer").seal({ t: "bye" })]);
  assert.notDeepEqual(one, two);
  const key = await crypto.subtle.importKey("raw", Buffer.alloc(32, 7), "AES-GCM", false, ["decrypt"]);
  const iv = new Uint8Array([0, 0, 0, 0, ...one.slice(0, 8)]);
  await assert.rejects(crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, one.slice(8)));
});

test("messages are read by their kind, with nothing that does not belong", () => {
  assert.deepEqual(readMessage({ ...MEDIA, more: 1 }), MEDIA);
  assert.equal(readMessage({ ...MEDIA, mic: 1 }), null);
  assert.equal(readMessage({ t: "media" }), null);
  assert.deepEqual(readMessage({ t: "text", id: "a1", text: "hi", x: 1 }), { t: "text", id: "a1", text: "hi" });
  assert.notEqual(readMessage({ t: "text", id: "a", text: "x".repeat(MAX_TEXT) }), null);
  assert.equal(readMessage({ t: "text", id: "a", text: "x".repeat(MAX_TEXT + 1) }), null);
  assert.equal(readMessage({ t: "text", id: "a", text: " \n" }), null);
  assert.equal(readMessage({ t: "text", id: "a b", text: "hi" }), null);
  assert.deepEqual(readMessage({ t: "reaction", emoji: "👍" }), { t: "reaction", emoji: "👍" });
  assert.equal(readMessage({ t: "reaction", emoji: "<b>" }), null);
  for (const value of [null, undefined, 1, "bye", [], {}, { t: "typing" }]) assert.equal(readMessage(value), null);
});

/** A channel of the peer's, and what came of it. */
function receiving() {
  const clock = new FakeClock();
  const { ours, theirs } = pair();
  /** @type {object[]} */
  const messages = [];
  const channel = new ControlChannel(theirs, { send: () => {} }, clock, (message) => messages.push(message));
  return { clock, ours, channel, messages };
}

test("messages leave in the order in which they were given", async () => {
  const { ours, theirs } = pair();
  /** @type {ArrayBuffer[]} */
  const sent = [];
  const channel = new ControlChannel(ours, { send: (bytes) => sent.push(wire(bytes)) }, new FakeClock(), () => {});
  await Promise.all(["a", "b", "c"].map((text) => channel.send({ t: "text", id: text, text })));
  const texts = [];
  for (const bytes of sent) texts.push(/** @type {any} */ (await theirs.open(bytes)).text);
  assert.deepEqual(texts, ["a", "b", "c"]);
});

test("a flood is dropped and counted; a second later there is room again", async () => {
  const { clock, ours, channel, messages } = receiving();
  for (let count = 0; count < MAX_RATE + 5; count += 1) channel.receive(wire(await ours.seal(MEDIA)));
  await until(() => messages.length === MAX_RATE);
  assert.equal(channel.dropped, 5);
  await clock.advance(1000);
  channel.receive(wire(await ours.seal({ t: "bye" })));
  await until(() => messages.length > MAX_RATE);
  assert.deepEqual(messages.at(-1), { t: "bye" });
});

test("what is no message is dropped and counted", async () => {
  const { ours, channel, messages } = receiving();
  channel.receive("text");
  channel.receive(new ArrayBuffer(64));
  channel.receive(wire(await ours.seal(/** @type {any} */ ({ t: "news" }))));
  await until(() => channel.dropped === 3);
  assert.deepEqual(messages, []);
});

test("closed, it neither sends nor takes anything", async () => {
  const { ours, channel, messages } = receiving();
  channel.receive(wire(await ours.seal(MEDIA)));
  channel.close();
  await ours.seal(MEDIA);
  assert.deepEqual(messages, []);
  let sent = 0;
  const closed = new ControlChannel(ours, { send: () => (sent += 1) }, new FakeClock(), () => {});
  closed.close();
  await closed.send({ t: "bye" });
  assert.equal(sent, 0);
});
