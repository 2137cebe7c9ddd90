// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import * as model from "../static/chat/settings-model.js";

const FINGERPRINT = "A".repeat(43) + "=";
const OWN = `smp://${FINGERPRINT}:secret@smp.example.org,${"b".repeat(56)}.onion`;

/** @param {string} host @param {Partial<import("../static/chat/api.js").SmpServer>} [changes] */
const server = (host, changes = {}) => ({
  uri: `smp://${FINGERPRINT}@${host}`, host, onion: null, isOn: false, isDefault: true, qr: null, ...changes,
});

/** @returns {import("../static/chat/api.js").Servers} */
const servers = () => ({
  operators: [
    { id: "simplex", name: "SimpleX Chat", servers: [server("smp1.x"), server("smp2.x"), server("old.x", { isDefault: false })] },
    { id: "flux", name: "Flux", servers: [server("smp1.f", { isDefault: false }), server("smp2.f", { isDefault: false })] },
  ],
  own: [],
  relay: { mode: "off", host: null, hosts: ["192.0.2.7"], uri: null, qr: null, isOn: false },
});

/** @param {import("../static/chat/api.js").Servers} value */
const on = (value) => model.allServers(value).filter(({ isOn }) => isOn).map(({ host }) => host);

test("an operator is switched on with the servers it is known by", () => {
  const some = model.operatorSwitched(servers(), "simplex", true);
  assert.deepEqual(on(some), ["smp1.x", "smp2.x"]);
  // one whose servers are all offered only: all of them
  assert.deepEqual(on(model.operatorSwitched(some, "flux", true)), ["smp1.x", "smp2.x", "smp1.f", "smp2.f"]);
  const more = model.serverSwitched(some, `smp://${FINGERPRINT}@old.x`, true);
  assert.deepEqual(on(more), ["smp1.x", "smp2.x", "old.x"]);
  assert.deepEqual(on(model.operatorSwitched(more, "simplex", false)), []);
});

test("own servers are added, switched off and removed, and Python is told of all of them", () => {
  const added = model.serverAdded(servers(), OWN);
  assert.deepEqual(added.own.map(({ host, isOn }) => [host, isOn]), [["smp.example.org", true]]);
  assert.equal(model.serverAdded(added, OWN).own.length, 1);
  const off = model.serverSwitched(added, OWN, false);
  assert.deepEqual(model.chosen(off), [{ uri: OWN, isOn: false }]);
  assert.deepEqual(model.chosen(model.serverRemoved(off, OWN)), []);
  assert.equal(model.hasServer(off), false);
  assert.equal(model.hasServer(added), true);
});

test("the built-in relay is a server, too", () => {
  const { relay, ...rest } = servers();
  assert.ok(relay);
  assert.equal(model.hasServer({ ...rest, relay: { ...relay, mode: "machine", isOn: true } }), true);
});

test("what is no address is seen before it is sent", () => {
  assert.ok(model.isServerAddress(` ${OWN}\n`));
  for (const text of ["", "smp://", "https://example.org", "smp://short@host", `smp://${FINGERPRINT}@`, `${OWN} ${OWN}`]) {
    assert.equal(model.isServerAddress(text), false, text);
  }
});

test("a test's verdict in words", () => {
  const t = (/** @type {string} */ id, /** @type {any} */ names = {}) => `${id}${names.time ?? ""}`;
  assert.deepEqual(model.verdictWords(undefined, t), { tone: "none", text: "" });
  assert.equal(model.verdictWords("testing", t).tone, "busy");
  assert.deepEqual(model.verdictWords({ kind: "ok", roundTrip: 41 }, t), { tone: "good", text: "chat.verdict.ok41" });
  assert.deepEqual(model.verdictWords({ kind: "timeout", roundTrip: null }, t), { tone: "bad", text: "chat.verdict.timeout" });
});

test("the first start's choice", () => {
  /** @type {model.FirstChoice} */
  const nothing = { operators: new Set(), hasOwn: false, own: "", relay: "off", host: null };
  assert.equal(model.firstProblem(nothing), "chat.start.none");
  assert.equal(model.firstProblem({ ...nothing, relay: "machine" }), "");
  assert.equal(model.firstProblem({ ...nothing, hasOwn: true, own: " \n" }), "chat.start.own.empty");
  assert.equal(model.firstProblem({ ...nothing, hasOwn: true, own: `${OWN}\nnonsense` }), "chat.start.own.form");
  const all = { ...nothing, operators: new Set(["simplex"]), hasOwn: true, own: `${OWN}\n` };
  assert.equal(model.firstProblem(all), "");
  assert.deepEqual(on(model.firstServers(servers(), all)), ["smp1.x", "smp2.x", "smp.example.org"]);
  // what was typed and then not wanted is not taken
  assert.deepEqual(on(model.firstServers(servers(), { ...all, hasOwn: false })), ["smp1.x", "smp2.x"]);
});
