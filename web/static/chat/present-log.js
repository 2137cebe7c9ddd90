// @ts-check
/**
 * What the page shows of the open conversation's log: days, bubbles, calls, notices. Pure; `log-view.js` draws it.
 *
 * @typedef {import("./model.js").State} State
 * @typedef {import("./api.js").Contact} Contact
 * @typedef {import("./api.js").Item} Item
 * @typedef {import("./present.js").Words} Words
 * @typedef {import("../common/catalogue.js").Translate} Translate
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
 * @property {string} file  the words for what came with the text and cannot be shown; empty if nothing
 * @property {string | null} preview  a data: URL
 * @property {string} fileAlone  the words where the preview cannot be shown
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
    if (item.kind === "call") entries.push(callEntry(item, contact, isHeard(item, state), words));
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
    file: isDeleted ? "" : fileWords(item.content, item.preview ? ".preview" : "", t),
    fileAlone: isDeleted ? "" : fileWords(item.content, "", t),
    preview: isDeleted ? null : (item.preview ?? null),
    isEdited: Boolean(item.edited) && !isDeleted,
    time: dates.time(item.createdAt),
    moment: item.createdAt,
    delivery:
      isOwn && item.delivery && !isDeleted
        ? { icon: { sending: "clock", sent: "check", received: "checks", failed: "alert" }[item.delivery], words: t(`chat.item.${item.delivery}`) }
        : null,
    failure: isFailed ? t(failureId(item.failure)) : "",
  };
}

const COMPLETE = new Set(["text", "link", undefined]);

/**
 * @param {string | undefined} content
 * @param {"" | ".preview"} how
 * @param {Translate} t
 */
function fileWords(content, how, t) {
  return COMPLETE.has(content) ? "" : t(`chat.item.file.${content}${how}`);
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

const BROKEN = new Set(["failed", "connection-lost"]);
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
  const tone = isLive ? "live" : isMissed || BROKEN.has(status) ? "missed" : status === "ended" ? "answered" : "idle";
  return {
    icon: media === "video" ? "camera" : "phone",
    arrow: isMissed ? "missed" : isOwn ? "outgoing" : "incoming",
    tone,
    title: t(`chat.entry.${media}.${status}.${item.direction}`),
  };
}

/**
 * Whether our call rings on the other side now.
 *
 * @param {Item} item
 * @param {State} state
 */
function isHeard(item, state) {
  if (item.status !== "ringing" || item.direction !== "sent") return false;
  return [...state.calls.values()].some(({ itemId, progress }) => itemId === item.id && progress === "ringing");
}

/**
 * @param {Item} item
 * @param {Contact} contact
 * @param {boolean} rings  it does on the other side
 * @param {Words} words
 * @returns {CallEntry}
 */
function callEntry(item, contact, rings, { t, dates }) {
  const isOwn = item.direction === "sent";
  const look = callWords(item, t);
  const canCall = contact.isConnected && contact.callsAllowed && look.tone !== "live";
  const duration = typeof item.duration === "number" && item.status !== "ringing" ? dates.duration(item.duration) : "";
  return {
    kind: "call",
    key: String(item.id),
    isOwn,
    ...look,
    title: rings ? t("chat.entry.rings") : look.title,
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
