// @ts-check
/**
 * The open conversation's log: what is loaded of it, and which part of that stands on the page. Pure, as `model.js`.
 *
 * @typedef {import("./model.js").State} State
 * @typedef {import("./api.js").Item} Item
 *
 * @typedef {object} Log  the open conversation: what was loaded of it, and which part stands on the page
 * @property {Item[]} items  all that is loaded, the oldest first
 * @property {number} start  the first of them that is shown
 * @property {number} end  the one after the last that is shown
 * @property {boolean} isLoaded  whether the first answer came
 * @property {boolean} hasOlder  whether Python has more
 * @property {boolean} isLoading
 */

/** How many items one request asks for. */
export const PAGE = 50;
/** How many items stand on the page at most. */
export const SHOWN = 200;

/** @type {Log} */
export const NO_LOG = { items: [], start: 0, end: 0, isLoaded: false, hasOlder: false, isLoading: false };

/**
 * Older items are asked for; `null` if there is nothing to ask.
 *
 * @param {State} state
 * @returns {State | null}
 */
export function asking(state) {
  const { log } = state;
  if (state.open === null || !log.isLoaded || log.isLoading || !log.hasOlder) return null;
  return { ...state, log: { ...log, isLoading: true } };
}

/**
 * A page of history came: the newest, or the one before what is there.
 *
 * @param {State} state
 * @param {number} contactId
 * @param {Item[]} items
 * @returns {State}
 */
export function historyCame(state, contactId, items) {
  if (state.open !== contactId) return state;
  const { log } = state;
  const known = new Map(log.items.map((item) => [item.id, item]));
  const added = items.filter((item) => !known.has(item.id)).length;
  for (const item of items) known.set(item.id, item);
  const all = [...known.values()].sort((one, other) => one.id - other.id);
  const hasOlder = items.length >= PAGE;
  if (!log.isLoaded) {
    return { ...state, log: { items: all, start: 0, end: all.length, isLoaded: true, hasOlder, isLoading: false } };
  }
  const end = Math.min(log.end + added, SHOWN);
  return { ...state, log: { ...log, items: all, start: 0, end, hasOlder, isLoading: false } };
}

/**
 * A page of history did not come.
 *
 * @param {State} state
 * @param {number} contactId
 * @returns {State}
 */
export function historyFailed(state, contactId) {
  if (state.open !== contactId) return state;
  return { ...state, log: { ...state.log, isLoaded: true, isLoading: false } };
}

/**
 * The user looks further up: what is loaded already comes onto the page.
 *
 * @param {State} state
 * @returns {State}
 */
export function earlier(state) {
  const { log } = state;
  if (log.start === 0) return state;
  const start = Math.max(0, log.start - PAGE);
  return { ...state, log: { ...log, start, end: Math.min(log.end, start + SHOWN) } };
}

/**
 * The user looks further down.
 *
 * @param {State} state
 * @returns {State}
 */
export function later(state) {
  const { log } = state;
  if (log.end === log.items.length) return state;
  const end = Math.min(log.items.length, log.end + PAGE);
  return { ...state, log: { ...log, start: Math.max(log.start, end - SHOWN), end } };
}

/**
 * The user is at the newest item: what is far above goes from the page.
 *
 * @param {State} state
 * @returns {State}
 */
export function newest(state) {
  const { log } = state;
  const end = log.items.length;
  const isFar = log.end !== end;
  if (!isFar && end - log.start <= SHOWN) return state;
  return { ...state, log: { ...log, start: Math.max(0, end - PAGE), end } };
}

/**
 * @param {Log} log
 * @param {Item} item
 * @returns {Log}
 */
export function logWith(log, item) {
  const { items } = log;
  const index = items.findIndex(({ id }) => id === item.id);
  if (index >= 0) return { ...log, items: items.map((other) => (other.id === item.id ? item : other)) };
  const last = items.at(-1);
  if (last && item.id < last.id) return log; // older than what is loaded
  const end = log.end === items.length ? log.end + 1 : log.end;
  return { ...log, items: [...items, item], end };
}

/**
 * @param {Log} log
 * @param {number} itemId
 * @returns {Log}
 */
export function logWithout(log, itemId) {
  const index = log.items.findIndex(({ id }) => id === itemId);
  if (index < 0) return log;
  return {
    ...log,
    items: log.items.filter(({ id }) => id !== itemId),
    start: index < log.start ? log.start - 1 : log.start,
    end: index < log.end ? log.end - 1 : log.end,
  };
}
