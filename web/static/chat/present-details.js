// @ts-check
/**
 * What the panel of a contact shows. Pure; `details-view.js` draws it.
 *
 * @typedef {import("./api.js").Details} Details
 * @typedef {import("./api.js").Contact} Contact
 * @typedef {import("../common/catalogue.js").Translate} Translate
 *
 * @typedef {object} DetailsPanel
 * @property {string} state  how the connection stands
 * @property {{isOn: boolean, text: string}} quantum
 * @property {{isOn: boolean, text: string}} protection  the switch of quantum resistance
 * @property {{isVerified: boolean, text: string}} verified
 * @property {string[]} code  groups of digits; none while there is none
 * @property {{isShown: boolean, isUrgent: boolean, text: string}} sync
 * @property {string} moving  words while the receiving address changes; empty otherwise
 * @property {boolean} canMove
 * @property {boolean} canStay  the change of the receiving address can be stopped
 * @property {CallsWish} calls
 * @property {string} callsText  what comes of both sides' wishes
 * @property {string} callsTold  what the contact is told of the wish
 * @property {{choice: RouteChoice, text: string}} route  whether calls show the IP address
 * @property {{tone: "good" | "bad", text: string} | null} compared
 *
 * @typedef {"profile" | "yes" | "audio" | "no"} CallsWish  the user's wish for calls of a contact
 * @typedef {"settings" | "relay" | "direct"} RouteChoice  through relays only, or not
 */

/**
 * @param {Contact} contact
 * @param {Details} details
 * @param {"" | "same" | "other"} compared
 * @param {Translate} t
 * @returns {DetailsPanel}
 */
export function detailsPanel(contact, details, compared, t) {
  const { ratchetSync = "ok", isSwitching, securityCode } = details;
  const isUsable = contact.isConnected;
  return {
    state: t(`chat.contact.${contact.status}`),
    quantum: {
      isOn: details.isQuantumResistant,
      text: t(details.isQuantumResistant ? "chat.details.quantum.on" : "chat.details.quantum.off"),
    },
    protection: { isOn: details.wantsQuantumResistance, text: t(`chat.details.pq.${protection(details)}`) },
    verified: {
      isVerified: details.isVerified,
      text: t(details.isVerified ? "chat.details.verified" : "chat.details.unverified"),
    },
    code: securityCode ? securityCode.split(/\s+/u).filter(Boolean) : [],
    sync: {
      isShown: isUsable && ratchetSync !== "ok",
      isUrgent: ratchetSync === "required",
      text: ratchetSync === "ok" ? "" : t(`chat.details.sync.${ratchetSync}`),
    },
    moving: isSwitching ? t(`chat.details.switching${moving(details)}`) : "",
    canStay: details.canAbortSwitching,
    canMove: isUsable && !isSwitching && (ratchetSync === "ok" || ratchetSync === "allowed"),
    calls: callsWish(contact, details),
    callsTold: t(`chat.details.calls.told.${callsWish(contact, details)}`),
    callsText: t(`chat.details.calls.${contact.callPermission}`),
    route: { choice: routeChoice(details.route), text: t(`chat.details.route.${routeWord(details.route)}`) },
    compared: compared === "" ? null : { tone: compared === "same" ? "good" : "bad", text: t(`chat.details.compared.${compared}`) },
  };
}

/**
 * @param {Contact} contact
 * @param {Details} details
 * @returns {CallsWish}
 */
function callsWish({ audioOnly }, { ownCallsAllowed }) {
  if (ownCallsAllowed === false) return "no";
  if (audioOnly) return "audio";
  return ownCallsAllowed === null ? "profile" : "yes";
}

/**
 * @param {import("./api.js").Route} route
 * @returns {RouteChoice}
 */
function routeChoice({ choice }) {
  if (choice === null) return "settings";
  return choice ? "relay" : "direct";
}

/** @param {import("./api.js").Route} route */
function routeWord({ isRelayed, hasRelay }) {
  if (!isRelayed) return "shown";
  return hasRelay ? "hidden" : "missing";
}

/**
 * How the wish for quantum resistance and what there is go together.
 *
 * @param {Details} details
 */
function protection({ isQuantumResistant, wantsQuantumResistance }) {
  if (wantsQuantumResistance) return isQuantumResistant ? "on" : "wanted";
  return isQuantumResistant ? "leaving" : "off";
}

/**
 * Whose address changes, and whether that can be stopped.
 *
 * @param {Details} details
 */
function moving({ canAbortSwitching, receivingServers }) {
  if (canAbortSwitching) return "";
  // while ours is replaced there are two
  return receivingServers.length > 1 ? ".soon" : ".theirs";
}

/**
 * Whether the button that agrees on new keys does something: not while that is under way.
 *
 * @param {Details} details
 */
export function canSynchronize({ ratchetSync }) {
  return ratchetSync === "allowed" || ratchetSync === "required";
}
