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
 * @property {string | null} image
 * @property {string} time
 * @property {number} moment
 * @property {string} icon  name of the icon before the last entry; empty for none
 * @property {"plain" | "missed"} tone
 * @property {string} text  the last entry, or how the contact stands
 * @property {number} unread
 * @property {string} unreadWords
 * @property {number} missed
 * @property {string} missedWords  how many calls were missed; empty for none
 * @property {boolean} isOpen
 *
 * @typedef {{text: string, label: string, icon: string}} AnswerButton
 *
 * @typedef {object} RingingCard  what the card of a call that rings says, besides who calls
 * @property {string} note  empty for none
 * @property {AnswerButton} accept
 * @property {AnswerButton | null} audioOnly
 * @property {AnswerButton} reject
 */
import { activeCall, missedCount, missedOf, sortedContacts, unreadCount, ringing } from "./model.js";
import { callWords, noticeWords } from "./present-log.js";

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
      image: contact.image,
      time: dates.brief(moment, now),
      moment,
      ...lastWords(contact, t),
      unread,
      unreadWords: unread === 1 ? t("chat.contact.unread.one") : t("chat.contact.unread", { count: unread }),
      missed: missedOf(state, contact),
      missedWords: missedWords(missedOf(state, contact), t),
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
  const text = item.deleted ? t("chat.item.deleted") : shortText(item, t).replace(/\s+/gu, " ").slice(0, 200);
  const isFailed = item.delivery === "failed";
  return {
    icon: isFailed ? "alert" : "",
    tone: isFailed ? "missed" : plain,
    text: item.direction === "sent" ? t("chat.contact.you", { text: isolated(text) }) : text,
  };
}

/**
 * A text in few words: what a picture or file is called that has none.
 *
 * @param {import("./api.js").Item} item
 * @param {Translate} t
 */
export function shortText({ text = "", content = "text" }, t) {
  return text.trim() === "" && content !== "text" && content !== "link" ? t(`chat.contact.file.${content}`) : text;
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
 * The page's title: who calls, or how much is unread, and how many calls were missed.
 *
 * @param {State} state
 * @param {Translate} t
 */
export function titleOf(state, t) {
  const [call] = ringing(state);
  if (call) return t("chat.title.ringing", { name: call.contactName });
  const count = unreadCount(state);
  const missed = missedWords(missedCount(state), t);
  if (missed) return t("chat.title.missed", { count, missed });
  return count > 0 ? t("chat.title.unread", { count }) : t("chat.title");
}

/**
 * @param {number} count
 * @param {Translate} t
 */
function missedWords(count, t) {
  if (count === 0) return "";
  return count === 1 ? t("chat.contact.missed.one") : t("chat.contact.missed", { count });
}

/**
 * The words and buttons of a call that rings here.
 *
 * @param {import("./api.js").Call} call
 * @param {State} state
 * @param {Translate} t
 * @returns {RingingCard}
 */
export function ringingCard(call, state, t) {
  const isEngaged = activeCall(state) !== null;
  const isVideo = call.media === "video";
  const takesAudioOnly = isVideo && Boolean(state.contacts.get(call.contactId)?.audioOnly);
  const media = isVideo && !takesAudioOnly ? "video" : "audio";
  const notes = [takesAudioOnly && t("chat.incoming.audio-only.always"), isEngaged && t("chat.incoming.engaged")];
  const words = isEngaged ? "chat.incoming.accept.engaged" : "chat.incoming.accept";
  return {
    note: notes.filter(Boolean).join(" "),
    accept: { text: t(words), label: t(`${words}.${media}`), icon: media === "video" ? "camera" : "phone" },
    audioOnly: media === "video" ? { text: t("chat.incoming.audio-only"), label: t(`${words}.audio-only`), icon: "phone" } : null,
    reject: { text: t("chat.incoming.reject"), label: t("chat.incoming.reject"), icon: "hang-up" },
  };
}

/**
 * How the call stands that has the line.
 *
 * @param {import("./api.js").Call} call
 * @param {Translate} t
 */
export function bannerWords(call, t) {
  if (call.consentWanted) return t("chat.banner.asking");
  const isHeard = call.state === "calling" && call.progress === "ringing";
  return t(`chat.banner.${isHeard ? "ringing" : call.state}`);
}

/**
 * @typedef {object} Quiet  what keeps calls from being heard
 * @property {string} icon
 * @property {string} text
 * @property {string} end  words of the button that ends it
 * @property {string} endLabel
 * @property {Partial<import("./api.js").CallSettings>} ends  the settings without it
 */

/**
 * @param {import("./api.js").CallSettings} calling
 * @param {Translate} t
 * @returns {Quiet | null}
 */
export function quietWords({ isSilent, doNotDisturb }, t) {
  if (!isSilent && !doNotDisturb) return null;
  const id = doNotDisturb ? "chat.quiet.undisturbed" : "chat.quiet.silent";
  return {
    icon: doNotDisturb ? "moon" : "muted",
    text: t(id),
    end: t(`${id}.end`),
    endLabel: t(`${id}.end.label`),
    ends: doNotDisturb ? { doNotDisturb: false } : { isSilent: false },
  };
}
