// @ts-check
/**
 * What the chat page knows: one immutable value, and how each event and each act of the user changes it. No DOM, no
 * clock, no network. The open conversation's log is in `log-model.js`.
 *
 * @typedef {import("./api.js").Contact} Contact
 * @typedef {import("./api.js").Item} Item
 * @typedef {import("./api.js").Call} Call
 * @typedef {import("./api.js").Invitation} Invitation
 * @typedef {import("./log-model.js").Log} Log
 *
 * @typedef {object} Shown  a contact's panel
 * @property {number} contactId
 * @property {import("./api.js").Details | null} value  null until it came
 * @property {"" | "same" | "other"} compared  what came of a security code that was compared
 *
 * @typedef {object} State
 * @property {"loading" | "ready" | "over"} phase
 * @property {import("./api.js").Profile | null} profile
 * @property {"window" | "browser"} mode
 * @property {ReadonlyMap<number, Contact>} contacts
 * @property {ReadonlyMap<number, import("./api.js").Request>} requests  people who ask to connect
 * @property {boolean} hasServers  whether new contacts can be made
 * @property {ReadonlyMap<string, Call>} calls  those that ring or have the line
 * @property {ReadonlyMap<string, boolean>} servers  name → whether it is connected
 * @property {number | null} open  the contact whose conversation is open
 * @property {Log} log
 * @property {ReadonlyMap<number, number>} unread
 * @property {ReadonlyMap<number, string>} drafts
 * @property {ReadonlyMap<number, Invitation>} invitations  links that wait to be used
 * @property {boolean} isVisible  whether the user can see the page
 * @property {Shown | null} details  the panel of a contact
 * @property {import("./settings-model.js").Settings} settings
 * @property {import("./api.js").CallSettings} calling
 * @property {{callId: string, url: string} | null} blockedCall  a call's page that the browser did not let us open
 */
import { logWith, logWithout, NO_LOG } from "./log-model.js";
import { NO_SETTINGS } from "./settings-model.js";

/** @type {State} */
export const INITIAL = {
  phase: "loading",
  profile: null,
  mode: "window",
  contacts: new Map(),
  requests: new Map(),
  hasServers: true,
  calls: new Map(),
  servers: new Map(),
  open: null,
  log: NO_LOG,
  unread: new Map(),
  drafts: new Map(),
  invitations: new Map(),
  isVisible: true,
  details: null,
  settings: NO_SETTINGS,
  calling: { ringVolume: 80, isSilent: false, doNotDisturb: false, preview: false },
  blockedCall: null,
};

/**
 * @template K, V
 * @param {ReadonlyMap<K, V>} map
 * @param {K} key
 * @param {V} value
 */
function having(map, key, value) {
  return new Map(map).set(key, value);
}

/**
 * @template K, V
 * @param {ReadonlyMap<K, V>} map
 * @param {K} key
 * @returns {ReadonlyMap<K, V>}
 */
function without(map, key) {
  if (!map.has(key)) return map;
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

// What the user does, and what Python answers

/**
 * The first answer.
 *
 * @param {State} state
 * @param {import("./api.js").Snapshot} snapshot
 * @returns {State}
 */
export function loaded(state, snapshot) {
  return {
    ...state,
    phase: state.phase === "over" ? "over" : "ready",
    profile: snapshot.profile,
    mode: snapshot.mode,
    contacts: new Map(snapshot.contacts.map((contact) => [contact.id, contact])),
    requests: new Map(snapshot.requests.map((request) => [request.id, request])),
    hasServers: snapshot.hasServers,
    unread: new Map(snapshot.contacts.filter(({ unread }) => unread > 0).map(({ id, unread }) => [id, unread])),
    calls: new Map(snapshot.calls.filter(isLive).map((call) => [call.id, call])),
    servers: new Map(snapshot.servers.map(({ server, isConnected }) => [server, isConnected])),
  };
}

/**
 * The connection to Python is gone.
 *
 * @param {State} state
 * @returns {State}
 */
export function over(state) {
  return { ...state, phase: "over", calls: new Map(), blockedCall: null };
}

/**
 * Opens a conversation; its history must be asked for.
 *
 * @param {State} state
 * @param {number} contactId
 * @returns {State}
 */
export function opened(state, contactId) {
  if (state.open === contactId || !state.contacts.has(contactId)) return state;
  return seen({ ...state, open: contactId, log: { ...NO_LOG, isLoading: true } });
}

/**
 * Closes the conversation.
 *
 * @param {State} state
 * @returns {State}
 */
export function closed(state) {
  return { ...state, open: null, log: NO_LOG };
}

/**
 * Whether the user can see the page now.
 *
 * @param {State} state
 * @param {boolean} isVisible
 * @returns {State}
 */
export function visible(state, isVisible) {
  return seen({ ...state, isVisible });
}

/**
 * What stands on a page that is seen is read.
 *
 * @param {State} state
 * @returns {State}
 */
function seen(state) {
  if (!state.isVisible || state.open === null) return state;
  return { ...state, unread: without(state.unread, state.open) };
}

/**
 * What is written and not sent yet.
 *
 * @param {State} state
 * @param {number} contactId
 * @param {string} text
 * @returns {State}
 */
export function drafted(state, contactId, text) {
  const drafts = text ? having(state.drafts, contactId, text) : without(state.drafts, contactId);
  return { ...state, drafts };
}

/**
 * @param {State} state
 * @param {Invitation | null} invitation
 * @returns {State}
 */
export function invited(state, invitation) {
  if (!invitation || invitation.contactId === null) return state;
  return { ...state, invitations: having(state.invitations, invitation.contactId, invitation) };
}

// Events

/**
 * What Python tells.
 *
 * @param {State} state
 * @param {Record<string, any>} event
 * @returns {State}
 */
export function happened(state, event) {
  switch (event.event) {
    case "contact":
    case "contact_connected":
      return contactCame(state, event.contact);
    case "contact_removed":
      return contactRemoved(state, event.contactId);
    case "item":
      return itemCame(state, event.item);
    case "item_removed":
      return state.open === event.contactId ? { ...state, log: logWithout(state.log, event.itemId) } : state;
    case "history_cleared":
      return historyCleared(state, event.contactId);
    case "call":
      return callCame(state, event.call);
    case "server":
      return { ...state, servers: having(state.servers, event.server, event.isConnected) };
    case "profile":
      return { ...state, profile: event.profile };
    case "request":
      return { ...state, requests: having(state.requests, event.request.id, event.request) };
    case "request_removed":
      return { ...state, requests: without(state.requests, event.requestId) };
    case "progress":
      return settingsCame(state, { progress: { task: event.task, done: event.done, total: event.total } });
    default:
      return state;
  }
}

/**
 * @param {State} state
 * @param {Contact} contact
 * @returns {State}
 */
export function contactCame(state, contact) {
  return {
    ...state,
    contacts: having(state.contacts, contact.id, contact),
    // read here, or in another page
    unread: contact.unread === 0 ? without(state.unread, contact.id) : state.unread,
    invitations: contact.status === "pending" ? state.invitations : without(state.invitations, contact.id),
  };
}

/**
 * @param {State} state
 * @param {number} contactId
 * @returns {State}
 */
function contactRemoved(state, contactId) {
  const rest = {
    ...state,
    contacts: without(state.contacts, contactId),
    unread: without(state.unread, contactId),
    drafts: without(state.drafts, contactId),
    invitations: without(state.invitations, contactId),
  };
  const next = state.details?.contactId === contactId ? { ...rest, details: null } : rest;
  return state.open === contactId ? closed(next) : next;
}

// The panel of a contact, and the settings

/**
 * Shows a contact's panel, or closes it.
 *
 * @param {State} state
 * @param {number | null} contactId
 * @returns {State}
 */
export function detailsShown(state, contactId) {
  return { ...state, details: contactId === null ? null : { contactId, value: null, compared: "" } };
}

/**
 * What a contact's panel shows came.
 *
 * @param {State} state
 * @param {import("./api.js").Details} value
 * @param {"" | "same" | "other"} [compared]
 * @returns {State}
 */
export function detailsCame(state, value, compared) {
  if (state.details?.contactId !== value.contactId) return state;
  return { ...state, details: { ...state.details, value, compared: compared ?? state.details.compared } };
}

/**
 * Some of the settings came, or were changed.
 *
 * @param {State} state
 * @param {Partial<import("./settings-model.js").Settings>} settings
 * @returns {State}
 */
export function settingsCame(state, settings) {
  return { ...state, settings: { ...state.settings, ...settings } };
}

/**
 * A server's test began or ended.
 *
 * @param {State} state
 * @param {string} uri
 * @param {import("./api.js").Verdict | "testing"} verdict
 * @returns {State}
 */
export function serverTested(state, uri, verdict) {
  return settingsCame(state, { verdicts: having(state.settings.verdicts, uri, verdict) });
}

/**
 * @param {State} state
 * @param {Item} item
 * @returns {State}
 */
export function itemCame(state, item) {
  const contact = state.contacts.get(item.contactId);
  if (!contact) return state;
  const isNew = !contact.lastItem || item.id > contact.lastItem.id;
  let next = state;
  if (isNew || item.id === contact.lastItem?.id) {
    next = { ...next, contacts: having(next.contacts, contact.id, { ...contact, lastItem: item }) };
  }
  if (state.open === item.contactId) next = { ...next, log: logWith(next.log, item) };
  const isRead = state.open === item.contactId && state.isVisible;
  if (isNew && !isRead && item.direction === "received" && item.kind !== "notice") {
    next = { ...next, unread: having(next.unread, contact.id, (next.unread.get(contact.id) ?? 0) + 1) };
  }
  return next;
}

/**
 * A contact's newest item, after a newer one was removed.
 *
 * @param {State} state
 * @param {number} contactId
 * @param {Item | null} item
 * @returns {State}
 */
export function lastItemIs(state, contactId, item) {
  const contact = state.contacts.get(contactId);
  if (!contact) return state;
  return { ...state, contacts: having(state.contacts, contactId, { ...contact, lastItem: item }) };
}

/**
 * @param {State} state
 * @param {number} contactId
 * @returns {State}
 */
function historyCleared(state, contactId) {
  const next = lastItemIs({ ...state, unread: without(state.unread, contactId) }, contactId, null);
  return state.open === contactId ? { ...next, log: { ...NO_LOG, isLoaded: true } } : next;
}

/** @param {Call} call */
function isLive(call) {
  return call.state !== "ended";
}

/**
 * @param {State} state
 * @param {Call} call
 * @returns {State}
 */
export function callCame(state, call) {
  const calls = isLive(call) ? having(state.calls, call.id, call) : without(state.calls, call.id);
  const isBlocked = state.blockedCall?.callId === call.id && isLive(call) && !call.hasPage;
  return { ...state, calls, blockedCall: isBlocked || state.blockedCall?.callId !== call.id ? state.blockedCall : null };
}

/**
 * The browser did not let us open a call's page: the user must.
 *
 * @param {State} state
 * @param {string} callId
 * @param {string} url
 * @returns {State}
 */
export function callBlocked(state, callId, url) {
  return { ...state, blockedCall: { callId, url } };
}

// Questions

/**
 * The calls that ring here, the first one first.
 *
 * @param {State} state
 * @returns {Call[]}
 */
export function ringing(state) {
  return [...state.calls.values()]
    .filter((call) => call.state === "ringing")
    .sort((one, other) => one.startedAt - other.startedAt);
}

/**
 * Whether a call is to be heard.
 *
 * @param {State} state
 */
export function rings(state) {
  const { isSilent, doNotDisturb } = state.calling;
  return !isSilent && !doNotDisturb && ringing(state).length > 0;
}

/**
 * The call that has the line.
 *
 * @param {State} state
 * @returns {Call | null}
 */
export function activeCall(state) {
  return [...state.calls.values()].find((call) => call.isActive && call.state !== "ringing") ?? null;
}

/**
 * Contacts, the one with the latest event first.
 *
 * @param {State} state
 * @returns {Contact[]}
 */
export function sortedContacts(state) {
  const time = (/** @type {Contact} */ contact) => contact.lastItem?.createdAt ?? contact.createdAt;
  return [...state.contacts.values()].sort((one, other) => time(other) - time(one) || other.id - one.id);
}

/**
 * Why a contact cannot be called now, as the last part of the text's id; `null` if they can.
 *
 * @param {State} state
 * @param {Contact} contact
 * @returns {"pending" | "gone" | "refused" | "unwanted" | "busy" | "ringing" | null}
 */
export function callObstacle(state, contact) {
  if (contact.status === "pending" || contact.status === "connecting") return "pending";
  if (!contact.isConnected) return "gone";
  if (!contact.callsAllowed) return contact.callPermission === "we-refuse" ? "unwanted" : "refused";
  if (ringing(state).some((call) => call.contactId === contact.id)) return "ringing";
  if (activeCall(state)) return "busy";
  return null;
}

/**
 * How many items nobody has seen.
 *
 * @param {State} state
 * @returns {number}
 */
export function unreadCount(state) {
  return [...state.unread.values()].reduce((sum, count) => sum + count, 0);
}

/**
 * How many calls of a contact nobody has answered or seen.
 *
 * @param {State} state
 * @param {Contact} contact
 * @returns {number}
 */
export function missedOf(state, contact) {
  // what is read here is read before Python says so
  return state.unread.has(contact.id) ? (contact.missedCalls ?? 0) : 0;
}

/**
 * @param {State} state
 * @returns {number}
 */
export function missedCount(state) {
  return [...state.contacts.values()].reduce((sum, contact) => sum + missedOf(state, contact), 0);
}
