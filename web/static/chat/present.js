// @ts-check
/**
 * What the page shows of its state: which words, which icons, which parts. Pure; the views put it on the screen.
 *
 * @typedef {import("./model.js").State} State
 * @typedef {import("./api.js").Contact} Contact
 * @typedef {import("./api.js").Item} Item
 * @typedef {import("./dates.js").Dates} Dates
 * @typedef {import("../common/catalogue.js").Translate} Translate
 *
 * @typedef {object} Words  what words are made with
 * @property {Translate} t
 * @property {Dates} dates
 * @property {number} now  milliseconds since 1970
 *
 * @typedef {object} ContactRow
 * @property {number} id
 * @property {string} name
 * @property {string} avatar  the name that the picture is drawn from
 * @property {string} time
 * @property {number} moment
 * @property {string} icon  name of the icon before the last entry; empty for none
 * @property {"plain" | "missed"} tone
 * @property {string} text  the last entry, or how the contact stands
 * @property {number} unread
 * @property {string} unreadWords
 * @property {boolean} isOpen
 *
 * @typedef {{kind: "day", key: string, moment: number, text: string}} DayEntry
 * @typedef {{kind: "note", key: string, id: string, names: Record<string, string>}} NoteEntry
 * @typedef {object} TextEntry
 * @property {"text"} kind
 * @property {string} key
 * @property {number} itemId
 * @property {boolean} isOwn
 * @property {boolean} isFirst  of a group of bubbles
 * @property {boolean} isLast
 * @property {Segment[]} segments
 * @property {boolean} isDeleted
 * @property {boolean} hasFile
 * @property {boolean} isEdited
 * @property {string} time
 * @property {number} moment
 * @property {{icon: string, words: string} | null} delivery
 * @property {string} failure
 *
 * @typedef {object} CallEntry
 * @property {"call"} kind
 * @property {string} key
 * @property {boolean} isOwn
 * @property {"answered" | "missed" | "idle" | "live"} tone
 * @property {string} icon
 * @property {string} arrow
 * @property {string} title
 * @property {string} duration
 * @property {string} time
 * @property {number} moment
 * @property {import("./api.js").Media} media
 * @property {string} again  words of its button; empty for none
 *
 * @typedef {DayEntry | NoteEntry | TextEntry | CallEntry} Entry
 * @typedef {{text: string, href?: string}} Segment
 */
import { dayKey, isSoonAfter } from "./dates.js";
import { sortedContacts, unreadCount, ringing } from "./model.js";

/** A name within a sentence must not turn the sentence's direction: it is set apart by Unicode's isolates. */
const FIRST_STRONG_ISOLATE = "\u2068";
const POP_ISOLATE = "\u2069";

/**
 * A name fit for a plain text (a label, a title); in elements it stands in a bdi.
 *
 * @param {string} name
 */
export function isolated(name) {
  return FIRST_STRONG_ISOLATE + name + POP_ISOLATE;
}

/**
 * What a contact is called; those whose name is not known yet by the day of their invitation.
 *
 * @param {Contact} contact
 * @param {Words} words
 */
export function nameOf(contact, { t, dates }) {
  if (contact.name) return contact.name;
  if (contact.status === "pending") return t("chat.contact.pending.name", { date: dates.shortDate(contact.createdAt) });
  return t("chat.name.nobody");
}

/**
 * How a contact stands, in words.
 *
 * @param {Contact} contact
 * @param {Translate} t
 */
export function statusOf(contact, t) {
  // never connected, or once connected and lost
  if (contact.status === "failed" && contact.lastItem) return t("chat.contact.lost");
  return t(`chat.contact.${contact.status}`);
}

/**
 * The list of contacts.
 *
 * @param {State} state
 * @param {Words} words
 * @returns {ContactRow[]}
 */
export function contactRows(state, words) {
  const { t, dates, now } = words;
  return sortedContacts(state).map((contact) => {
    const unread = state.unread.get(contact.id) ?? 0;
    const moment = contact.lastItem?.createdAt ?? contact.createdAt;
    return {
      id: contact.id,
      name: nameOf(contact, words),
      avatar: contact.name,
      time: dates.brief(moment, now),
      moment,
      ...lastWords(contact, t),
      unread,
      unreadWords: unread === 1 ? t("chat.contact.unread.one") : t("chat.contact.unread", { count: unread }),
      isOpen: state.open === contact.id,
    };
  });
}

/**
 * @param {Contact} contact
 * @param {Translate} t
 * @returns {{icon: string, tone: "plain" | "missed", text: string}}
 */
function lastWords(contact, t) {
  const plain = /** @type {const} */ ("plain");
  const item = contact.lastItem;
  if (!item || (item.kind === "notice" && !contact.isConnected)) {
    return { icon: "", tone: plain, text: contact.isConnected ? t("chat.contact.ready") : statusOf(contact, t) };
  }
  if (item.kind === "call") {
    const { icon, tone, title } = callWords(item, t);
    return { icon, tone: tone === "missed" ? "missed" : plain, text: title };
  }
  if (item.kind === "notice") {
    const { id, names } = noticeWords(item, contact.name);
    return { icon: "", tone: plain, text: t(id, names) };
  }
  const text = item.deleted ? t("chat.item.deleted") : (item.text ?? "").replace(/\s+/gu, " ").slice(0, 200);
  const isFailed = item.delivery === "failed";
  return {
    icon: isFailed ? "alert" : "",
    tone: isFailed ? "missed" : plain,
    text: item.direction === "sent" ? t("chat.contact.you", { text: isolated(text) }) : text,
  };
}

// The conversation

/**
 * The entries of the log: days, bubbles, calls, notices.
 *
 * @param {State} state
 * @param {Words} words
 * @returns {Entry[]}
 */
export function logEntries(state, words) {
  const contact = state.open === null ? undefined : state.contacts.get(state.open);
  if (!contact) return [];
  const { start, end } = state.log;
  const items = state.log.items.slice(start, end);
  /** @type {Entry[]} */
  const entries = [];
  items.forEach((item, index) => {
    const [before, after] = [items[index - 1], items[index + 1]];
    if (!before || dayKey(before.createdAt) !== dayKey(item.createdAt)) {
      const moment = item.createdAt;
      entries.push({ kind: "day", key: `day-${dayKey(moment)}-${item.id}`, moment, text: words.dates.day(moment, words.now) });
    }
    if (item.kind === "call") entries.push(callEntry(item, contact, words));
    else if (item.kind === "notice") entries.push({ kind: "note", key: String(item.id), ...noticeWords(item, contact.name) });
    else entries.push(textEntry(item, !isGroup(before, item), !isGroup(item, after), words));
  });
  return entries;
}

/**
 * Whether two items stand together as one person's words.
 *
 * @param {Item | undefined} one
 * @param {Item | undefined} other
 */
function isGroup(one, other) {
  return (
    one?.kind === "text" &&
    other?.kind === "text" &&
    one.direction === other.direction &&
    dayKey(one.createdAt) === dayKey(other.createdAt) &&
    isSoonAfter(one.createdAt, other.createdAt)
  );
}

/**
 * @param {Item} item
 * @param {boolean} isFirst
 * @param {boolean} isLast
 * @param {Words} words
 * @returns {TextEntry}
 */
function textEntry(item, isFirst, isLast, { t, dates }) {
  const isOwn = item.direction === "sent";
  const isDeleted = Boolean(item.deleted);
  const isFailed = item.delivery === "failed";
  return {
    kind: "text",
    key: String(item.id),
    itemId: item.id,
    isOwn,
    isFirst,
    isLast,
    segments: isDeleted ? [{ text: t("chat.item.deleted") }] : segments(item.text ?? ""),
    isDeleted,
    hasFile: !isDeleted && item.content !== undefined && item.content !== "text" && item.content !== "link",
    isEdited: Boolean(item.edited) && !isDeleted,
    time: dates.time(item.createdAt),
    moment: item.createdAt,
    delivery:
      isOwn && item.delivery && !isDeleted
        ? { icon: { sending: "clock", sent: "check", failed: "alert" }[item.delivery], words: t(`chat.item.${item.delivery}`) }
        : null,
    failure: isFailed ? t(failureId(item.failure)) : "",
  };
}

const FAILURES = new Set(["queue gone", "expired", "refused", "too large", "connection"]);

/** @param {string | null} failure */
function failureId(failure) {
  return failure && FAILURES.has(failure) ? `chat.item.failed.${failure.replaceAll(" ", "-")}` : "chat.item.failed";
}

/**
 * A text in parts: web addresses, and what is between them.
 *
 * @param {string} text
 * @returns {Segment[]}
 */
export function segments(text) {
  /** @type {Segment[]} */
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"'`\u2066-\u2069\u202a-\u202e]+/giu)) {
    // what closes a sentence or a bracket around the address is not of it
    const address = match[0].replace(/[.,;:!?)\]}»”’*_]+$/u, "");
    const href = webAddress(address);
    if (!href) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ text: address, href });
    from = match.index + address.length;
  }
  if (from < text.length || parts.length === 0) parts.push({ text: text.slice(from) });
  return parts;
}

/** @param {string} text */
function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

const MISSED = new Set(["missed", "busy", "no-answer", "cancelled"]);

/**
 * Icon, colour and words of a call.
 *
 * @param {Item} item
 * @param {Translate} t
 * @returns {{icon: string, arrow: string, tone: CallEntry["tone"], title: string}}
 */
export function callWords(item, t) {
  const isOwn = item.direction === "sent";
  const status = item.status ?? "failed";
  const media = item.media ?? "audio";
  const isMissed = !isOwn && MISSED.has(status);
  const isLive = status === "ringing" || status === "active";
  const tone = isLive ? "live" : isMissed || status === "failed" ? "missed" : status === "ended" ? "answered" : "idle";
  return {
    icon: media === "video" ? "camera" : "phone",
    arrow: isMissed ? "missed" : isOwn ? "outgoing" : "incoming",
    tone,
    title: t(`chat.entry.${media}.${status}.${item.direction}`),
  };
}

/**
 * @param {Item} item
 * @param {Contact} contact
 * @param {Words} words
 * @returns {CallEntry}
 */
function callEntry(item, contact, { t, dates }) {
  const isOwn = item.direction === "sent";
  const look = callWords(item, t);
  const canCall = contact.isConnected && contact.callsAllowed && look.tone !== "live";
  const duration = typeof item.duration === "number" && item.status !== "ringing" ? dates.duration(item.duration) : "";
  return {
    kind: "call",
    key: String(item.id),
    isOwn,
    ...look,
    duration,
    time: dates.time(item.createdAt),
    moment: item.createdAt,
    media: item.media ?? "audio",
    again: canCall ? t(isOwn ? "chat.call.again" : "chat.call.back") : "",
  };
}

const COUNTED = new Set(["messages-lost", "unreadable"]);

/**
 * The text of a notice, and the names in it.
 *
 * @param {Item} item
 * @param {string} name  the contact's
 * @returns {{id: string, names: Record<string, string>}}
 */
export function noticeWords(item, name) {
  const notice = item.notice ?? "unreadable";
  const count = item.count ?? 1;
  const id = `chat.notice.${notice}${COUNTED.has(notice) && count === 1 ? ".one" : ""}`;
  return { id, names: { name, former: item.text ?? "", count: String(count) } };
}

/**
 * The words about the message servers; empty when all is well.
 *
 * @param {State} state
 * @param {Translate} t
 */
export function networkWords(state, t) {
  if (state.phase !== "ready" || state.contacts.size === 0) return "";
  if (state.servers.size === 0) return t("chat.servers.unknown");
  const off = [...state.servers.values()].filter((isConnected) => !isConnected).length;
  if (off === 0) return "";
  return off === 1 && state.servers.size === 1 ? t("chat.servers.off") : t("chat.servers.some", { count: off });
}

/**
 * The page's title: who calls, or how much is unread.
 *
 * @param {State} state
 * @param {Translate} t
 */
export function titleOf(state, t) {
  const [call] = ringing(state);
  if (call) return t("chat.title.ringing", { name: call.contactName });
  const count = unreadCount(state);
  return count > 0 ? t("chat.title.unread", { count }) : t("chat.title");
}
