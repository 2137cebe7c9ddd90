// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { previewWords } from "../static/chat/dialogs.js";
import { detailsCame, detailsShown, happened, INITIAL, loaded } from "../static/chat/model.js";
import { canSynchronize, detailsPanel } from "../static/chat/present-details.js";

const t = (/** @type {string} */ id) => id;

/** @type {import("../static/chat/api.js").Contact} */
const BOB = {
  id: 1, name: "Bob", fullName: "", status: "connected", image: null, isVerified: false, isConnected: true,
  callsAllowed: true, callPermission: "both", failure: null, unread: 0, createdAt: 1, lastItem: null,
};

/** @param {Partial<import("../static/chat/api.js").Details>} [changes] @returns {import("../static/chat/api.js").Details} */
const details = (changes) => ({
  contactId: 1, isQuantumResistant: true, securityCode: "12345 67890 1", qr: null, isVerified: false, ratchetSync: "ok",
  isSwitching: false, wantsQuantumResistance: true, canAbortSwitching: false, receivingServers: ["a"], sendingServers: ["b"], ownCallsAllowed: null,
  route: { choice: null, isRelayed: false, hasRelay: false, needsWarning: true }, ...changes,
});

const begin = () =>
  loaded(INITIAL, {
    profile: { displayName: "Alice", fullName: "", image: null, callsAllowed: true },
    contacts: [BOB], requests: [], hasServers: true, calls: [], servers: [], mode: "window",
  });

test("whether calls show the address", () => {
  const route = (/** @type {Partial<import("../static/chat/api.js").Route>} */ changes) =>
    detailsPanel(BOB, details({ route: { choice: null, isRelayed: false, hasRelay: true, needsWarning: false, ...changes } }), "", t).route;
  assert.deepEqual(route({}), { choice: "settings", text: "chat.details.route.shown" });
  assert.deepEqual(route({ isRelayed: true }), { choice: "settings", text: "chat.details.route.hidden" });
  assert.deepEqual(route({ choice: true, isRelayed: true, hasRelay: false }), { choice: "relay", text: "chat.details.route.missing" });
  assert.deepEqual(route({ choice: false }), { choice: "direct", text: "chat.details.route.shown" });
});

test("the panel's words", () => {
  const panel = detailsPanel(BOB, details(), "", t);
  assert.deepEqual(panel.code, ["12345", "67890", "1"]);
  assert.deepEqual(panel.quantum, { isOn: true, text: "chat.details.quantum.on" });
  assert.deepEqual([panel.sync.isShown, panel.canMove, panel.calls, panel.compared], [false, true, "profile", null]);
  assert.equal(detailsPanel(BOB, details({ ownCallsAllowed: false }), "", t).calls, "no");
  assert.deepEqual(detailsPanel(BOB, details(), "other", t).compared, { tone: "bad", text: "chat.details.compared.other" });
});

test("the wish for quantum resistance, and what came of it", () => {
  const words = (/** @type {boolean} */ wantsQuantumResistance, /** @type {boolean} */ isQuantumResistant) => {
    const { isOn, text } = detailsPanel(BOB, details({ wantsQuantumResistance, isQuantumResistant }), "", t).protection;
    assert.equal(isOn, wantsQuantumResistance);
    return text.split(".").at(-1);
  };
  assert.deepEqual([words(true, true), words(true, false), words(false, true), words(false, false)], ["on", "wanted", "leaving", "off"]);
});

test("the receiving address is changed once at a time", () => {
  const ours = details({ isSwitching: true, canAbortSwitching: true, receivingServers: ["a", "c"] });
  const moving = detailsPanel(BOB, ours, "", t);
  assert.deepEqual([moving.canMove, moving.canStay, moving.moving], [false, true, "chat.details.switching"]);
  const used = detailsPanel(BOB, { ...ours, canAbortSwitching: false }, "", t);
  assert.deepEqual([used.canStay, used.moving], [false, "chat.details.switching.soon"]);
  assert.equal(detailsPanel(BOB, details({ isSwitching: true }), "", t).moving, "chat.details.switching.theirs");
  assert.deepEqual([detailsPanel(BOB, details(), "", t).canMove, detailsPanel(BOB, details(), "", t).moving], [true, ""]);
  assert.equal(detailsPanel({ ...BOB, isConnected: false }, details(), "", t).canMove, false);
});

test("new keys are offered when they are needed, and not while they are agreed on", () => {
  const required = details({ ratchetSync: "required" });
  const panel = detailsPanel(BOB, required, "", t);
  assert.deepEqual([panel.sync.isShown, panel.sync.isUrgent, panel.canMove], [true, true, false]);
  assert.equal(canSynchronize(required), true);
  assert.equal(canSynchronize(details({ ratchetSync: "started" })), false);
  assert.equal(detailsPanel({ ...BOB, isConnected: false }, required, "", t).sync.isShown, false);
});

test("what a panel shows is of its contact, and goes with it", () => {
  const open = detailsShown(begin(), 1);
  assert.equal(detailsCame(open, details({ contactId: 2 })), open);
  const shown = detailsCame(open, details(), "same");
  assert.equal(shown.details?.compared, "same");
  assert.equal(detailsCame(shown, details()).details?.compared, "same");
  assert.equal(happened(shown, { event: "contact_removed", contactId: 1 }).details, null);
  assert.equal(detailsShown(shown, null).details, null);
});

test("people who ask to connect come and go", () => {
  const request = { id: 7, name: "Dora", fullName: "", image: null, createdAt: 1 };
  const asked = happened(begin(), { event: "request", request });
  assert.deepEqual([...asked.requests.keys()], [7]);
  assert.equal(happened(asked, { event: "request_removed", requestId: 7 }).requests.size, 0);
});

test("what a link leads to", () => {
  const preview = { kind: /** @type {const} */ ("contact"), profile: null, isOwn: false, contactId: null };
  assert.deepEqual(previewWords(preview), { id: "chat.preview.contact", words: "chat.add.connect", problem: "" });
  assert.equal(previewWords({ ...preview, isOwn: true }).problem, "chat.preview.own");
  assert.equal(previewWords({ ...preview, contactId: 3 }).words, "chat.preview.open");
});
