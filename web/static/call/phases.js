// @ts-check
/** The table of a page's call: phase, event → phase. Every transition is here and nowhere else. */

/**
 * @typedef {"idle" | "preparing" | "previewing" | "waiting" | "connecting" | "connected" | "reconnecting" | "ended" | "failed"} Phase
 *   idle: nothing was asked of the page; previewing: the user looks at themselves
 *   before anything is sent; preparing: devices and cipher are being got ready; waiting: ready, the contact
 *   has not answered; connecting: offer or answer is made; the rest says itself
 * @typedef {"prepare" | "preview" | "begin" | "prepared" | "negotiate" | "connect" | "disconnect" | "end" | "fail"} PhaseEvent
 */

/** @type {Record<Phase, Partial<Record<PhaseEvent, Phase>>>} */
export const TRANSITIONS = {
  idle: { prepare: "preparing", end: "ended", fail: "failed" },
  previewing: { prepare: "preparing", begin: "preparing", end: "ended" },
  preparing: { prepare: "preparing", preview: "previewing", prepared: "waiting", negotiate: "connecting", end: "ended", fail: "failed" },
  waiting: { prepare: "preparing", negotiate: "connecting", end: "ended", fail: "failed" },
  connecting: { prepare: "preparing", connect: "connected", end: "ended", fail: "failed" },
  connected: { prepare: "preparing", disconnect: "reconnecting", end: "ended", fail: "failed" },
  reconnecting: { prepare: "preparing", connect: "connected", end: "ended", fail: "failed" },
  // a page may carry one call after the other
  ended: { prepare: "preparing" },
  failed: { prepare: "preparing", end: "failed" },
};

/**
 * @param {Phase} phase
 * @param {PhaseEvent} event
 * @returns {Phase | undefined}  undefined if the event means nothing in this phase
 */
export function nextPhase(phase, event) {
  return TRANSITIONS[phase][event];
}
