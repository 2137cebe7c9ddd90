// @ts-check
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { hue, initials } from "../static/common/avatar.js";
import { translator } from "../static/common/catalogue.js";
import { connectWebSocket, connectWebview } from "../static/common/transport.js";
import { settle } from "./support/fakes.js";

/** @param {import("node:test").TestContext} context */
const quiet = (context) => {
  context.mock.method(console, "warn", () => {});
  context.mock.method(console, "error", () => {});
};

test("texts are filled in; one that is missing shows as its id", (context) => {
  quiet(context);
  const t = translator({ a: "{name} has {n} of {n}, {other}" });
  assert.equal(t("a", { name: "$& Ada", n: 3 }), "$& Ada has 3 of 3, {other}");
  assert.equal(t("b"), "b");
  assert.equal(t("toString"), "toString");
});

test("every text that the call page uses is in the catalogue, and no other", () => {
  const read = (/** @type {string} */ path) => readFileSync(new URL(path, import.meta.url), "utf8");
  const texts = Object.keys(JSON.parse(read("../../app/simplex_calls/locales/en/call.json")));
  const sources = readdirSync(new URL("../static/call/", import.meta.url))
    .filter((name) => name.endsWith(".js"))
    .map((name) => read(`../static/call/${name}`));
  const used = [...sources, read("../templates/call.html.j2"), read("../templates/call-texts.html.j2")].join("\n");
  const exact = new Set([...used.matchAll(/["'`](call\.[a-z.-]+[a-z])["'`]/g)].map(([, id = ""]) => id));
  for (const id of exact) assert.ok(texts.includes(id), `${id} is not in the catalogue`);
  // built from a code: `call.notice.${code}` and the like
  const built = [...used.matchAll(/[`"](call\.[a-z.]+)\.(?:\$\{|" ~)/g)].map(([, prefix = ""]) => `${prefix}.`);
  for (const id of texts) {
    assert.ok(exact.has(id) || built.some((prefix) => id.startsWith(prefix)), `${id} is not used`);
  }
});

test("the call page's template names all its modules, so that they load at once", () => {
  const template = readFileSync(new URL("../templates/call.html.j2", import.meta.url), "utf8");
  const named = [...template.matchAll(/"((?:call|common)\/[a-z-]+)"/g)].map(([, name]) => `${name}.js`);
  const seen = new Set(["call/page.js"]);
  for (const name of seen) {
    const source = readFileSync(new URL(`../static/${name}`, import.meta.url), "utf8");
    for (const [, path = ""] of source.matchAll(/^import .* from "(.*)";$/gm)) {
      seen.add(new URL(path, `file:///${name}`).pathname.slice(1));
    }
  }
  assert.deepEqual(named.sort(), [...seen].sort());
});

test("every code has its texts", () => {
  const texts = JSON.parse(readFileSync(new URL("../../app/simplex_calls/locales/en/call.json", import.meta.url), "utf8"));
  for (const code of ["camera-denied", "no-camera", "camera-busy", "camera-lost", "microphone-lost", "old-peer", "undecryptable"]) {
    assert.ok(texts[`call.notice.${code}`], code);
  }
  for (const code of ["permission-denied", "no-microphone", "microphone-busy", "no-encryption", "connection-failed", "setup-failed"]) {
    assert.ok(texts[`call.failure.${code}.title`] && texts[`call.failure.${code}.help`], code);
  }
});

test("initials and hues", () => {
  assert.equal(initials("Ada Lovelace"), "AL");
  assert.equal(initials("ada"), "A");
  assert.equal(initials("Jean-Luc van Picard"), "JP");
  assert.equal(initials("  "), "?");
  assert.equal(initials("👾 «Zed»"), "Z");
  assert.equal(initials("Élodie Ø"), "ÉØ");
  assert.equal(hue("Ada"), hue("Ada"));
  for (const name of ["", "Ada", "日本"]) assert.ok(hue(name) >= 0 && hue(name) < 8);
});

/** A WebSocket as far as the transport knows it. */
class FakeSocket extends EventTarget {
  /** @type {string[]} */
  sent = [];

  /** @param {string} text */
  send(text) {
    this.sent.push(text);
  }
}

test("WebSocket: the session first, what was sent early after it, in order", (context) => {
  quiet(context);
  const socket = new FakeSocket();
  /** @type {unknown[]} */
  const messages = [];
  let closed = 0;
  const open = () => /** @type {WebSocket} */ (/** @type {unknown} */ (socket));
  const transport = connectWebSocket(open, "s", (message) => messages.push(message), () => (closed += 1));
  transport.send({ n: 1 });
  assert.deepEqual(socket.sent, []);
  socket.dispatchEvent(new Event("open"));
  transport.send({ n: 2 });
  assert.deepEqual(socket.sent, ['{"session":"s"}', '{"n":1}', '{"n":2}']);
  for (const data of ['{"a":1}', "nonsense", "7", "null"]) socket.dispatchEvent(Object.assign(new Event("message"), { data }));
  assert.deepEqual(messages, [{ a: 1 }]);
  socket.dispatchEvent(new Event("close"));
  socket.dispatchEvent(new Event("close"));
  assert.equal(closed, 1);
});

test("webview: one message at a time, from when the bridge is there; a failing bridge closes", async () => {
  const page = /** @type {any} */ (new EventTarget());
  /** @type {string[]} */
  const posted = [];
  /** @type {(() => void)[]} */
  const arrived = [];
  /** @type {unknown[]} */
  const messages = [];
  let closed = 0;
  const transport = connectWebview(page, "s", (message) => messages.push(message), () => (closed += 1));
  transport.send({ n: 1 });
  transport.send({ n: 2 });
  page.pywebview = {
    api: {
      post: (/** @type {string} */ text) => {
        posted.push(text);
        return new Promise((resolve) => arrived.push(() => resolve(undefined)));
      },
    },
  };
  page.dispatchEvent(new Event("pywebviewready"));
  await settle();
  assert.deepEqual(posted, ['{"session":"s"}']);
  arrived.shift()?.();
  await settle();
  assert.deepEqual(posted, ['{"session":"s"}', '{"n":1}']);
  page.simplexCalls.receive('{"b":2}');
  assert.deepEqual(messages, [{ b: 2 }]);
  page.pywebview.api.post = () => Promise.reject(new Error("gone"));
  arrived.shift()?.();
  await settle();
  transport.send({ n: 3 });
  assert.equal(closed, 1);
});
