// @ts-check
/**
 * What the settings know, and how the user's acts change it. Pure.
 *
 * @typedef {import("./api.js").Servers} Servers
 * @typedef {import("./api.js").SmpServer} SmpServer
 * @typedef {import("./api.js").Verdict} Verdict
 * @typedef {import("../common/catalogue.js").Translate} Translate
 *
 * @typedef {object} Settings  what was fetched of them; null where it was not
 * @property {Servers | null} servers
 * @property {import("./api.js").Ice | null} ice
 * @property {import("./api.js").Network | null} network
 * @property {{value: import("./api.js").Address | null} | null} address
 * @property {import("./api.js").HomeProfile[] | null} profiles
 * @property {boolean} keepsKeys  whether the system keeps keys without asking the user
 * @property {{task: "export" | "import", done: number, total: number} | null} progress  bytes of a backup
 * @property {ReadonlyMap<string, Verdict | "testing">} verdicts  by the server's uri
 */

/** @type {Settings} */
export const NO_SETTINGS = { servers: null, ice: null, network: null, address: null, profiles: null, keepsKeys: true, progress: null, verdicts: new Map() };

// Servers

/**
 * All servers of the list, whoever runs them.
 *
 * @param {Servers} servers
 * @returns {SmpServer[]}
 */
export function allServers(servers) {
  return [...servers.operators.flatMap((operator) => operator.servers), ...servers.own];
}

/**
 * @param {Servers} servers
 * @param {(server: SmpServer) => boolean} isMeant
 * @param {(server: SmpServer) => boolean} isOn
 * @returns {Servers}
 */
function switched(servers, isMeant, isOn) {
  const change = (/** @type {SmpServer} */ server) => (isMeant(server) ? { ...server, isOn: isOn(server) } : server);
  return {
    ...servers,
    operators: servers.operators.map((operator) => ({ ...operator, servers: operator.servers.map(change) })),
    own: servers.own.map(change),
  };
}

/**
 * Switches one server.
 *
 * @param {Servers} servers
 * @param {string} uri
 * @param {boolean} isOn
 */
export function serverSwitched(servers, uri, isOn) {
  return switched(servers, (server) => server.uri === uri, () => isOn);
}

/**
 * Switches the servers of an operator: on are those that it is known by, off are all.
 *
 * @param {Servers} servers
 * @param {string} id
 * @param {boolean} isOn
 */
export function operatorSwitched(servers, id, isOn) {
  const meant = servers.operators.find((operator) => operator.id === id)?.servers ?? [];
  const hasDefault = meant.some(({ isDefault }) => isDefault);
  const uris = new Set(meant.map(({ uri }) => uri));
  return switched(servers, ({ uri }) => uris.has(uri), ({ isDefault }) => isOn && (isDefault || !hasDefault));
}

/**
 * Adds an own server; the same address again changes nothing.
 *
 * @param {Servers} servers
 * @param {string} uri
 * @returns {Servers}
 */
export function serverAdded(servers, uri) {
  const known = allServers(servers).find((server) => server.uri === uri);
  if (known) return serverSwitched(servers, uri, true);
  const server = { uri, host: hostOf(uri), onion: null, isOn: true, isDefault: false, qr: null };
  return { ...servers, own: [...servers.own, server] };
}

/**
 * @param {Servers} servers
 * @param {string} uri
 * @returns {Servers}
 */
export function serverRemoved(servers, uri) {
  return { ...servers, own: servers.own.filter((server) => server.uri !== uri) };
}

/**
 * What Python is told of a choice: every own server, and those of the operators that are on.
 *
 * @param {Servers} servers
 * @returns {{uri: string, isOn: boolean}[]}
 */
export function chosen(servers) {
  const published = servers.operators.flatMap((operator) => operator.servers).filter(({ isOn }) => isOn);
  return [...published, ...servers.own].map(({ uri, isOn }) => ({ uri, isOn }));
}

/**
 * Whether new contacts can be made.
 *
 * @param {Servers} servers
 */
export function hasServer(servers) {
  return allServers(servers).some(({ isOn }) => isOn) || Boolean(servers.relay?.isOn);
}

const ADDRESS = /^smp:\/\/[\w=-]{43,44}(?::[^\s:@/]+)?@[^\s@/#;]+$/u;

/**
 * Whether a text looks like a server's address; Python has the last word.
 *
 * @param {string} text
 */
export function isServerAddress(text) {
  return ADDRESS.test(text.trim());
}

/**
 * The first host of a server's address.
 *
 * @param {string} uri
 */
export function hostOf(uri) {
  return (uri.split("@").at(-1) ?? uri).split(",")[0] ?? uri;
}

/**
 * How a server's test went, in words.
 *
 * @param {Verdict | "testing" | undefined} verdict
 * @param {Translate} t
 * @param {"chat.verdict" | "chat.ice.verdict"} [words]  where its words are
 * @returns {{tone: "none" | "busy" | "good" | "bad", text: string}}
 */
export function verdictWords(verdict, t, words = "chat.verdict") {
  if (!verdict) return { tone: "none", text: "" };
  if (verdict === "testing") return { tone: "busy", text: t("chat.servers.testing") };
  if (verdict.kind === "ok") return { tone: "good", text: t(`${words}.ok`, { time: verdict.roundTrip ?? 0 }) };
  return { tone: "bad", text: t(`${words}.${verdict.kind}`, { option: "?transport=tcp" }) };
}

/**
 * How many servers of an operator are on, in words.
 *
 * @param {SmpServer[]} servers
 * @param {Translate} t
 */
export function countWords(servers, t) {
  const on = servers.filter(({ isOn }) => isOn).length;
  return on === 0 ? t("chat.servers.count.none") : t("chat.servers.count", { on, all: servers.length });
}

// The choice of the first start

/**
 * @typedef {object} FirstChoice
 * @property {ReadonlySet<string>} operators  their ids
 * @property {boolean} hasOwn
 * @property {string} own  what was typed: addresses, one a line
 * @property {"off" | "machine" | "lan"} relay
 * @property {string | null} host  where the relay listens in the network
 */

/**
 * What is wrong with a choice, as the id of its text; empty when one can go on.
 *
 * @param {FirstChoice} choice
 */
export function firstProblem({ operators, hasOwn, own, relay }) {
  const lines = addresses(own);
  if (hasOwn && lines.length === 0) return "chat.start.own.empty";
  if (hasOwn && !lines.every(isServerAddress)) return "chat.start.own.form";
  if (operators.size === 0 && !hasOwn && relay === "off") return "chat.start.none";
  return "";
}

/**
 * The list of servers that a choice makes.
 *
 * @param {Servers} servers
 * @param {FirstChoice} choice
 * @returns {Servers}
 */
export function firstServers(servers, { operators, hasOwn, own }) {
  let next = servers;
  for (const { id } of servers.operators) next = operatorSwitched(next, id, operators.has(id));
  if (hasOwn) for (const uri of addresses(own)) next = serverAdded(next, uri);
  return next;
}

/** @param {string} text */
function addresses(text) {
  return text.split(/\s+/u).filter(Boolean);
}
