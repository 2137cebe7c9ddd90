// @ts-check
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { ControlCipher, MAX_TEXT } from "../static/call/control-channel.js";
import { BYE_MS, Conversation, REACTION_MS } from "../static/call/conversation.js";
import { channelPair, FakeClock, until } from "./support/fakes.js";

// Node 18 has it under another name
if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

const KEY = Buffer.alloc(32, 7).toString("base64url");
const MEDIA = { mic: true, camera: false, screenAudio: false, screenVideo: false };

/**
 * @param {import("./support/fakes.js").FakeChannel} port
 * @param {import("../static/call/control-channel.js").Role} role
 */
function side(port, role) {
  const clock = new FakeClock();
  /** @type {any} */
  const shown = {};
  /** @type {(object | null)[]} */
  const media = [];
  let byes = 0;
  const conversation = new Conversation(clock, {
    changed: (changes) => Object.assign(shown, changes),
    peerMedia: (sources) => media.push(sources),
    bye: () => (byes += 1),
  });
  const begin = () => conversation.begin(/** @type {any} */ (port), new ControlCipher(KEY, role));
  return { clock, shown, media, conversation, begin, port, byes: () => byes };
}

function sides() {
  const { one, other } = channelPair();
  return { ours: side(one, "offer"), theirs: side(other, "answer") };
}

function open() {
  const { ours, theirs } = sides();
  for (const end of [ours, theirs]) {
    end.begin();
    end.port.become("open");
  }
  return { ours, theirs };
}

test("media are told when the channel opens, and at each change, and not twice", async () => {
  const { ours, theirs } = sides();
  ours.begin();
  theirs.begin();
  ours.conversation.tellMedia({ ...MEDIA, mic: false });
  ours.conversation.tellMedia(MEDIA);
  assert.equal(ours.port.sent.length, 0);
  ours.port.become("open");
  theirs.port.become("open");
  ours.conversation.tellMedia(MEDIA);
  ours.conversation.tellMedia({ ...MEDIA, camera: true });
  await until(() => theirs.media.length === 2);
  assert.deepEqual(theirs.media, [MEDIA, { ...MEDIA, camera: true }]);
  assert.equal(theirs.shown.canChat, true);
});

test("a channel that is open already begins at once", async () => {
  const { ours } = sides();
  ours.port.become("open");
  ours.begin();
  assert.equal(ours.shown.canChat, true);
});

test("texts come with who said them and when", async () => {
  const { ours, theirs } = open();
  assert.equal(ours.conversation.sendText("hello"), true);
  await until(() => theirs.shown.messages);
  assert.deepEqual(ours.shown.messages, [{ id: "t1", isOurs: true, text: "hello", at: ours.clock.now() }]);
  assert.deepEqual(theirs.shown.messages, [{ id: "t1", isOurs: false, text: "hello", at: theirs.clock.now() }]);
});

test("what cannot be sent is not: too long, empty, too many, no channel", async () => {
  const { ours } = open();
  assert.equal(ours.conversation.sendText("x".repeat(MAX_TEXT + 1)), false);
  assert.equal(ours.conversation.sendText("  "), false);
  assert.equal(ours.conversation.react("nothing"), false);
  const sent = Array.from({ length: 15 }, () => ours.conversation.sendText("again"));
  assert.equal(sent.filter(Boolean).length, 10);
  await ours.clock.advance(1000);
  assert.equal(ours.conversation.sendText("later"), true);
  assert.equal(sides().ours.conversation.sendText("before"), false);
});

test("five hundred texts are kept", async () => {
  const { ours } = open();
  for (let count = 0; count < 510; count += 1) {
    if (count % 10 === 0) await ours.clock.advance(1000);
    ours.conversation.sendText(`text ${count}`);
  }
  assert.equal(ours.shown.messages.length, 500);
  assert.equal(ours.shown.messages[0].text, "text 10");
});

test("a reaction is shown on both sides, for some seconds", async () => {
  const { ours, theirs } = open();
  assert.equal(ours.conversation.react("🎉"), true);
  await until(() => theirs.shown.reactions);
  for (const { shown } of [ours, theirs]) assert.equal(shown.reactions[0].emoji, "🎉");
  assert.deepEqual([ours.shown.reactions[0].isOurs, theirs.shown.reactions[0].isOurs], [true, false]);
  await theirs.clock.advance(REACTION_MS);
  assert.deepEqual(theirs.shown.reactions, []);
});

test("twenty reactions are shown at most", async () => {
  const { ours } = open();
  for (let count = 0; count < 30; count += 1) {
    if (count % 10 === 0) await ours.clock.advance(1000);
    ours.conversation.react("👍");
  }
  assert.equal(ours.shown.reactions.length, 20);
});

test("the end is told, and then has its time; without a channel it takes none", async () => {
  const { ours, theirs } = open();
  let isDone = false;
  ours.conversation.bye(() => (isDone = true));
  ours.conversation.close();
  await until(() => theirs.byes() === 1);
  assert.equal(isDone, false);
  await ours.clock.advance(BYE_MS);
  assert.equal(isDone, true);
  isDone = false;
  sides().ours.conversation.bye(() => (isDone = true));
  assert.equal(isDone, true);
});

test("a channel that closes: nothing can be said, and the peer's media are to be inferred again", async () => {
  const { ours } = open();
  ours.port.become("close");
  assert.equal(ours.shown.canChat, false);
  assert.deepEqual(ours.media, [null]);
  assert.equal(ours.conversation.sendText("hello"), false);
});

test("after its end nothing comes of it", async () => {
  const { ours, theirs } = open();
  theirs.conversation.react("👍");
  theirs.conversation.close();
  assert.equal(theirs.clock.pending, 0);
  ours.conversation.sendText("hello");
  await until(() => ours.port.sent.length === 1);
  assert.equal(theirs.shown.messages, undefined);
  theirs.port.become("close");
  assert.deepEqual(theirs.media, []);
});

test("useless bytes are counted", async () => {
  const { ours } = open();
  ours.port.receive(new ArrayBuffer(50));
  await until(() => ours.conversation.dropped === 1);
  assert.equal(sides().ours.conversation.dropped, 0);
});
