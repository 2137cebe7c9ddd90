// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { callObstacle, happened, INITIAL, loaded, opened, ringing } from "../static/chat/model.js";

/**
 * @param {Partial<import("../static/chat/api.js").Contact>} changes
 * @returns {import("../static/chat/api.js").Contact}
 */
function contact(changes) {
  return {
    id: 1,
    name: "Bob",
    fullName: "",
    status: "connected",
    isConnected: true,
    callsAllowed: true,
    callPermission: "both", isVerified: false,
    image: null,
    failure: null,
    createdAt: 1000,
    unread: 0,
    lastItem: null,
    ...changes,
  };
}

/**
 * @param {Partial<import("../static/chat/api.js").Call>} changes
 * @returns {import("../static/chat/api.js").Call}
 */
function call(changes) {
  return {
    id: "c",
    contactId: 1,
    contactName: "Bob",
    media: "video",
    direction: "incoming",
    state: "ringing",
    isActive: false,
    hasPage: false,
    startedAt: 2000,
    connectedAt: null,
    endReason: null,
    failure: null,
    ...changes,
  };
}

/** @param {import("../static/chat/api.js").Contact[]} contacts */
function started(contacts) {
  return loaded(INITIAL, {
    profile: { displayName: "Alice", fullName: "", image: null, callsAllowed: true },
    contacts,
    requests: [],
    hasServers: true,
    calls: [],
    servers: [],
    mode: "window",
  });
}

test("a contact who has just connected can be called", () => {
  const before = contact({ status: "connecting", isConnected: false });
  const state = opened(started([before]), 1);
  assert.notEqual(callObstacle(state, before), null);
  const now = happened(state, { event: "contact_connected", contact: contact({}) });
  const after = now.contacts.get(1);
  assert.ok(after);
  assert.equal(after.isConnected, true);
  assert.equal(callObstacle(now, after), null);
});

test("a call rings until it is accepted or over", () => {
  const state = happened(started([contact({})]), { event: "call", call: call({}) });
  assert.deepEqual(ringing(state).map(({ id }) => id), ["c"]);
  for (const next of [call({ state: "connecting", isActive: true }), call({ state: "ended", endReason: "missed" })]) {
    assert.deepEqual(ringing(happened(state, { event: "call", call: next })), []);
  }
});

test("what was unread before the page is unread in it, until it is read anywhere", () => {
  const state = started([contact({ unread: 3 }), contact({ id: 2, name: "Carol" })]);
  assert.deepEqual([...state.unread], [[1, 3]]);
  assert.equal(happened(state, { event: "contact", contact: contact({ unread: 3, name: "Rob" }) }).unread.get(1), 3);
  assert.equal(happened(state, { event: "contact", contact: contact({ unread: 0 }) }).unread.size, 0);
});

test("events that are not known change nothing", () => {
  const state = started([contact({})]);
  assert.equal(happened(state, { event: "something new" }), state);
});
