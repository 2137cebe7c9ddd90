// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, RequestFailed } from "../static/chat/api.js";
import { CallTabs } from "../static/chat/call-tabs.js";
import { Controller } from "../static/chat/controller.js";
import { FakeClock, settle } from "./support/fakes.js";

const BOB = {
  id: 1, name: "Bob", fullName: "", status: "connected", isConnected: true, callsAllowed: true, callPermission: "both", isVerified: false, image: null, failure: null, unread: 0,
  createdAt: 1, lastItem: null,
};
const RINGING = { id: "c", contactId: 1, contactName: "Bob", media: "video", direction: "incoming", state: "ringing", isActive: false, hasPage: false, startedAt: 1 };

/** A controller with everything around it faked; `answers` say what Python answers. */
async function bench(/** @type {Record<string, any>} */ answers = {}, /** @type {Record<string, any>} */ snapshot = {}) {
  /** @type {any[]} */
  const asked = [];
  /** @type {any[]} */
  const log = [];
  const clock = new FakeClock();
  /** @type {any} */
  let tab = null;
  /** @type {"direct" | "relay" | null} */
  let ipAnswer = "direct";
  let isConfirmed = true;
  const api = new Api((message) => {
    asked.push([message.method, message.params]);
    /** @type {Record<string, any>} */
    const all = {
      state: {
        profile: { displayName: "Alice", fullName: "", image: null, callsAllowed: true }, contacts: [BOB], requests: [], hasServers: true, calls: [], servers: [],
        mode: "browser", ...snapshot,
      },
      history: [],
      call_route: { choice: null, isRelayed: false, hasRelay: true, needsWarning: true },
      ...answers,
    };
    const result = all[String(message.method)];
    queueMicrotask(() => controller.receive(result?.error ? { id: message.id, error: result.error } : { id: message.id, result: result ?? null }));
  }, clock);
  /** @type {any} */
  const view = new Proxy({}, {
    get: (_, name) => (/** @type {any[]} */ ...values) => {
      if (name === "render") return undefined;
      log.push([name, ...values]);
      return name === "askIp" ? Promise.resolve(ipAnswer) : name === "confirm" ? Promise.resolve({ isConfirmed, isChosen: true }) : false;
    },
  });
  const opener = () => {
    tab = { closed: false, urls: [], focus() {}, location: { replace: (/** @type {string} */ url) => tab.urls.push(url) } };
    tab.close = () => {
      tab.closed = true;
    };
    return tab;
  };
  const parts = { isBlocked: false };
  const controller = new Controller({
    api, view,
    tabs: new CallTabs(() => (parts.isBlocked ? null : opener()), clock),
    ringtone: { start: (/** @type {number} */ percent) => log.push(["ring", percent]), stop: () => log.push(["silence"]), try: (/** @type {number} */ percent) => log.push(["try", percent]) },
    t: (/** @type {string} */ id) => id, copyText: async () => true, openUrl: (/** @type {string} */ url) => log.push(["open", url]), replaceUrl: (/** @type {string} */ url) => log.push(["url", url]), reload: () => log.push(["reload"]),
  });
  await controller.start();
  return { controller, asked, log, clock, parts, tab: () => tab, answerIp: (/** @type {"relay" | null} */ answer) => { ipAnswer = answer; }, decline: () => { isConfirmed = false; } };
}

test("an address of a text is opened after a question that shows it", async () => {
  const { controller, log } = await bench();
  controller.conversation.open(1);
  await controller.conversation.openLink("https://a.example/");
  const [asking, opened] = log.filter(([kind]) => kind === "confirm" || kind === "open");
  assert.deepEqual([asking?.[1].name, asking?.[1].isHarmless], ["https://a.example/", true]);
  assert.deepEqual(opened, ["open", "https://a.example/"]);
});

test("a change of the receiving address is stopped, and the panel told anew", async () => {
  const { controller, asked } = await bench({ details: { contactId: 1 } });
  controller.conversation.open(1);
  controller.details.open();
  await controller.details.keepQueue();
  assert.deepEqual(asked.slice(-2), [["abort_switching", { contactId: 1 }], ["details", { contactId: 1 }]]);
  await controller.details.setQuantumResistance(false);
  assert.deepEqual(asked.slice(-2), [["set_quantum_resistance", { contactId: 1, isOn: false }], ["details", { contactId: 1 }]]);
});

test("the first call with a contact asks about the address, and opens its tab soon after the click", async () => {
  const { controller, asked, log, tab } = await bench({ start_call: { ...RINGING, state: "calling", direction: "outgoing", isActive: true } });
  controller.conversation.open(1);
  await controller.calls.call("video");
  assert.deepEqual(log.filter(([name]) => name === "askIp"), [["askIp", "Bob", "call", true]]);
  assert.deepEqual(asked.slice(-2), [["confirm_ip_exposure", { contactId: 1 }], ["start_call", { contactId: 1, media: "video" }]]);
  controller.receive({ event: "page_wanted", callId: "c", url: "/open/x" });
  assert.deepEqual(tab().urls, ["/open/x"]);
  assert.equal(tab().opener, null);
});

test("who does not want to show the address does not call", async () => {
  const { controller, asked, answerIp, tab } = await bench();
  answerIp(null);
  controller.conversation.open(1);
  await controller.calls.call("audio");
  assert.ok(!asked.some(([method]) => method === "start_call" || method === "confirm_ip_exposure"));
  assert.equal(tab(), null);
});

test("who wants to hide the address calls through a relay, and is not asked again", async () => {
  const { controller, asked, answerIp } = await bench({ start_call: { ...RINGING, state: "calling" } });
  answerIp("relay");
  controller.conversation.open(1);
  await controller.calls.call("audio");
  assert.deepEqual(asked.slice(-2), [["set_call_route", { contactId: 1, relay: true }], ["start_call", { contactId: 1, media: "audio" }]]);
  const known = await bench({ call_route: { needsWarning: false, hasRelay: true }, start_call: { ...RINGING, state: "calling" } });
  known.controller.conversation.open(1);
  await known.controller.calls.call("audio");
  assert.ok(!known.log.some(([name]) => name === "askIp"));
  assert.deepEqual(known.asked.slice(-2), [["call_route", { contactId: 1 }], ["start_call", { contactId: 1, media: "audio" }]]);
});

test("a call that the other app does not encrypt is taken after a question only", async () => {
  const plain = { ...RINGING, encrypted: false };
  const refused = await bench({}, { calls: [plain], });
  refused.decline();
  await refused.controller.calls.accept("c");
  assert.ok(!refused.asked.some(([method]) => method === "accept"));
  assert.equal(refused.tab(), null);

  const taken = await bench({ accept: { ...plain, state: "connecting", isActive: true } }, { calls: [plain], });
  await taken.controller.calls.accept("c", true);
  assert.equal(taken.log.filter(([kind]) => kind === "confirm").length, 1);
  assert.deepEqual(taken.asked.at(-1), ["accept", { callId: "c", audioOnly: true, unencrypted: true }]);
});

test("a call that does not begin leaves no empty tab, and says why", async () => {
  const { controller, log, tab } = await bench({ start_call: { error: { code: "x", text: "No." } } });
  controller.conversation.open(1);
  await controller.calls.call("audio");
  assert.equal(tab().closed, true);
  assert.deepEqual(log.at(-1), ["toast", "bad", "No."]);
});

test("a tab that the browser holds back becomes a link until the page is there", async () => {
  const { controller, parts } = await bench();
  parts.isBlocked = true;
  controller.receive({ event: "page_wanted", callId: "c", url: "/open/x" });
  assert.deepEqual(controller.state.blockedCall, { callId: "c", url: "/open/x" });
  controller.receive({ event: "call", call: { ...RINGING, state: "connecting", isActive: true, hasPage: true } });
  assert.equal(controller.state.blockedCall, null);
});

test("it rings while a call rings, and is silent at once after it", async () => {
  const { controller, log } = await bench();
  controller.receive({ event: "call", call: RINGING });
  assert.deepEqual(log.at(-1), ["ring", 80]);
  controller.receive({ event: "call", call: { ...RINGING, state: "ended" } });
  assert.ok(log.some(([name]) => name === "silence"));
  controller.receive({ event: "call", call: RINGING });
  controller.disconnected();
  assert.deepEqual(log.at(-1), ["silence"]);
});

test("who does not want to be disturbed hears nothing, until they do", async () => {
  const quiet = { ringVolume: 40, isSilent: false, doNotDisturb: true };
  const { controller, asked, log } = await bench({ call_settings: quiet, set_call_settings: { ...quiet, doNotDisturb: false } });
  controller.receive({ event: "call", call: RINGING });
  assert.ok(!log.some(([name]) => name === "ring"));
  await controller.calls.setAtOnce({ doNotDisturb: false });
  assert.deepEqual(asked.at(-1), ["set_call_settings", { doNotDisturb: false }]);
  assert.deepEqual(log.at(-1), ["ring", 40]);
  // while it rings nothing is tried
  controller.calls.trySound(90);
  assert.deepEqual(log.at(-1), ["ring", 40]);
});

test("a call that rings when the page opens is not heard in silent mode", async () => {
  const { controller, log } = await bench({ call_settings: { ringVolume: 80, isSilent: true, doNotDisturb: false } }, { calls: [RINGING] });
  assert.equal(controller.state.calls.size, 1);
  assert.ok(!log.some(([name]) => name === "ring"));
  controller.calls.trySound(90);
  assert.deepEqual(log.at(-1), ["try", 90]);
});

test("settings of calls that are refused are said", async () => {
  const { controller, log } = await bench({ set_call_settings: { error: { code: "x", text: "No." } } });
  await controller.calls.setAtOnce({ isSilent: true });
  assert.deepEqual(log.at(-1), ["toast", "bad", "No."]);
  assert.equal(controller.state.calling.isSilent, false);
});

test("a call is accepted with audio only", async () => {
  const { controller, asked } = await bench({ accept: { ...RINGING, state: "connecting", isActive: true } }, { calls: [RINGING] });
  await controller.calls.accept("c", true);
  assert.deepEqual(asked.at(-1), ["accept", { callId: "c", audioOnly: true }]);
});

test("a call without SimpleX opens its tab within the click, and none where it is refused", async () => {
  const { controller, asked, tab } = await bench();
  await controller.calls.paste();
  assert.deepEqual(asked.at(-1), ["paste_call", undefined]);
  controller.receive({ event: "page_wanted", callId: "p", url: "/open/p" });
  assert.deepEqual(tab().urls, ["/open/p"]);
  const refused = await bench({ paste_call: { error: { code: "bridge.error.call-active", text: "Hang up first." } } });
  await refused.controller.calls.paste();
  assert.deepEqual([refused.tab().closed, refused.log.at(-1)], [true, ["toast", "bad", "Hang up first."]]);
});

test("calls of a contact: as in the profile, welcome, with audio only, none", async () => {
  const { controller, asked } = await bench({ details: { contactId: 1 } });
  controller.conversation.open(1);
  controller.details.open();
  const changes = () => asked.filter(([method]) => method.startsWith("set_")).slice(-2);
  await controller.details.allowCalls("audio");
  assert.deepEqual(changes(), [["set_audio_only", { contactId: 1, isOn: true }]]);
  controller.receive({ event: "contact", contact: { ...BOB, audioOnly: true } });
  await controller.details.allowCalls("no");
  assert.deepEqual(changes(), [["set_audio_only", { contactId: 1, isOn: false }], ["set_calls_allowed", { contactId: 1, isAllowed: false }]]);
  controller.receive({ event: "contact", contact: { ...BOB, callsAllowed: false, callPermission: "we-refuse" } });
  // who is to be called with audio only is to be called
  await controller.details.allowCalls("audio");
  assert.deepEqual(changes(), [["set_audio_only", { contactId: 1, isOn: true }], ["set_calls_allowed", { contactId: 1, isAllowed: true }]]);
});

test("a text that is refused goes back into its field", async () => {
  const { controller, log } = await bench({ send_text: { error: { code: "client.error.too-large", text: "Too long." } } });
  await controller.conversation.send(1, "very long");
  assert.equal(controller.state.drafts.get(1), "very long");
  assert.deepEqual(log.at(-1), ["toast", "bad", "Too long."]);
});

test("deleting the newest text finds what is the newest now", async () => {
  const old = { id: 4, contactId: 1, kind: "text", direction: "sent", createdAt: 1, text: "old" };
  const { controller, asked } = await bench({ history: [old] });
  controller.conversation.open(1);
  await settle();
  controller.receive({ event: "item", item: { ...old, id: 5, text: "new" } });
  await controller.conversation.deleteText(5);
  assert.deepEqual(asked.at(-1), ["delete_item", { itemId: 5, forEveryone: true }]);
  controller.receive({ event: "item_removed", contactId: 1, itemId: 5 });
  await settle();
  assert.equal(controller.state.contacts.get(1)?.lastItem?.id, 4);
});

test("what is seen is read, once, and not while the page is hidden", async () => {
  const { controller, asked } = await bench();
  const reads = () => asked.filter(([method]) => method === "mark_read").length;
  const item = { id: 5, contactId: 1, kind: "text", direction: "received", createdAt: 1, text: "hi" };
  controller.conversation.open(1);
  controller.receive({ event: "item", item });
  await settle();
  controller.receive({ event: "item", item: { ...item, text: "hello" } });
  assert.equal(reads(), 1);
  controller.visible(false);
  controller.receive({ event: "item", item: { ...item, id: 6 } });
  assert.equal(reads(), 1);
  controller.visible(true);
  assert.equal(reads(), 2);
});

test("without servers the page asks for them, and for a passphrase before anything else", async () => {
  const { log } = await bench({}, { hasServers: false });
  assert.deepEqual(log.at(-1), ["askServers"]);
  const locked = { locked: { id: "x", name: "Alice" }, profiles: [], problem: "" };
  const other = await bench({ state: locked });
  assert.deepEqual(other.log, [["askPassphrase", locked]]);
});

test("where no keyring is, the page asks where the key is to be kept, and tells Python", async () => {
  const first = { locked: null, profiles: [], isProtectionWanted: true, problem: "" };
  const { controller, log, asked } = await bench({ state: first });
  assert.deepEqual(log, [["askProtection", first]]);
  await controller.settings.protectProfile({ passphrase: "", keyFile: true });
  assert.deepEqual(asked.at(-1), ["protect_profile", { passphrase: "", keyFile: true }]);
});

test("what keeps the profile from being stored is told, at the start and when it happens", async () => {
  const { controller, log } = await bench({}, { storageProblem: "damaged" });
  assert.deepEqual(log.at(-1), ["toast", "bad", "damaged"]);
  controller.receive({ event: "storage_failed", text: "full" });
  assert.deepEqual(log.at(-1), ["toast", "bad", "full"]);
});

test("a backup shows how far it is, until it is done or was refused", async () => {
  const answers = { profiles: [], keeps_keys: false, export_archive: { error: { code: "x", text: "no" } } };
  const { controller, asked } = await bench(answers);
  const saving = controller.settings.home("export_archive", { passphrase: "p" });
  controller.receive({ event: "progress", task: "export", done: 5, total: 9 });
  assert.deepEqual(controller.state.settings.progress, { task: "export", done: 5, total: 9 });
  await controller.settings.cancelArchive();
  assert.ok(asked.some(([method]) => method === "cancel_archive"));
  await assert.rejects(saving);
  assert.equal(controller.state.settings.progress, null);
  assert.equal(controller.state.settings.keepsKeys, false);
});

test("without a name the page asks for one, and the next address is put in place", async () => {
  const { controller, log } = await bench({}, { profile: null });
  assert.deepEqual(log.at(-1), ["askName"]);
  controller.receive({ event: "next_url", url: "/open/next" });
  assert.deepEqual(log.at(-1), ["url", "/open/next"]);
});

test("requests that nobody answers fail, and none outlives the connection", async () => {
  const clock = new FakeClock();
  const api = new Api(() => {}, clock);
  const waiting = api.request("state");
  api.close();
  await assert.rejects(waiting, RequestFailed);
  await assert.rejects(api.request("state"), { code: "closed" });
});
