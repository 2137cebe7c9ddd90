// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CODE_FEATURE } from "../static/call/call-code.js";
import { addressesOf, codeStateOf, protectionItems } from "../static/call/protection.js";
import { freshSnapshot } from "../static/call/snapshot.js";

const texts = JSON.parse(readFileSync(new URL("../../app/simplex_calls/locales/en/call.json", import.meta.url), "utf8"));
const KEYED = { aesKey: "key", binding: "binding", features: ["channel", CODE_FEATURE] };
/** @type {[string, boolean, object, import("../static/call/protection.js").CodeState][]} */
const CODES = [
  ["everything is there", true, KEYED, "pending"],
  ["frames are not encrypted, whatever the peer claims", false, KEYED, "no-frames"],
  ["an official app", true, { ...KEYED, features: undefined }, "peer"],
  ["another table of emoji", true, { ...KEYED, features: ["channel", "code"] }, "peer"],
  ["the conversation's keys are not known", true, { ...KEYED, binding: undefined }, "no-binding"],
];

for (const [name, isEncrypted, command, expected] of CODES) {
  test(`the call code, or why there is none: ${name}`, () => {
    assert.equal(codeStateOf(isEncrypted, command), expected);
    if (expected !== "pending") assert.ok(texts[`call.code.none.${expected}`]);
  });
}

test("a code that cannot be worked out has its words, too", () => assert.ok(texts["call.code.none.failed"]));

const details = /** @type {any} */ ({ keyAgreement: "simplex", canEncrypt: true });
const KEY = ["call.lock.item.frames", "call.lock.item.transport", "call.lock.item.key"];
/** @type {[string, object, string[]][]} */
const ITEMS = [
  ["a call through a conversation", { encrypted: true }, KEY],
  ["one that is quantum resistant", { encrypted: true, call: { isQuantumResistant: true } }, [...KEY, "call.lock.item.quantum"]],
  ["one that is not", { encrypted: true, call: { isQuantumResistant: false } }, [...KEY, "call.lock.item.no-quantum"]],
  ["texts, before anything is known of the connection", { encrypted: true, protectionDetails: null, paste: {} }, [...KEY.slice(0, 2), "call.lock.item.key.texts"]],
  ["texts", { encrypted: true, protectionDetails: { ...details, keyAgreement: "texts" } }, [...KEY.slice(0, 2), "call.lock.item.key.texts"]],
  ["their app does not encrypt", { call: { isQuantumResistant: true } }, ["call.lock.item.transport", "call.lock.item.no-frames"]],
  ["our window does not", { protectionDetails: { ...details, canEncrypt: false } }, ["call.lock.item.transport", "call.lock.item.no-frames.ours"]],
];

for (const [name, changes, expected] of ITEMS) {
  test(`what protects a call: ${name}`, () => {
    const items = protectionItems({ ...freshSnapshot(), protectionDetails: details, ...changes });
    assert.deepEqual(items, expected);
    assert.ok(items.every((id) => texts[id]));
  });
}

test("addresses are those of the candidates, each once, with what stands behind a server's", () => {
  const sdp = [
    "a=candidate:1 1 udp 1 192.0.2.7 5000 typ host",
    "a=candidate:1 2 udp 1 192.0.2.7 5001 typ host",
    "a=candidate:2 1 udp 1 3e5c.local 5000 typ host",
    "a=candidate:3 1 udp 1 203.0.113.9 6000 typ relay raddr 198.51.100.4 rport 7000",
    "a=candidate:4 1 udp 1 198.51.100.4 7000 typ srflx raddr 0.0.0.0 rport 0",
    "a=candidate:5 1 udp 1 198.51.100.5 7000 typ unheard",
  ].join("\r\n");
  assert.deepEqual(addressesOf(sdp), [
    { address: "192.0.2.7", kind: "host" },
    { address: "", kind: "host" },
    { address: "203.0.113.9", kind: "relay" },
    { address: "198.51.100.4", kind: "srflx" },
  ]);
});
