// @ts-check
/** What the page shows of a session's snapshot: which texts, which parts. Pure; view.js puts it on the screen. */
import { protectionItems } from "./protection.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Model
 * @property {string} name  the contact's; empty while it is not known
 * @property {string} status  id of the state's words; while connected the timer stands in its place
 * @property {boolean} showsTimer
 * @property {string | null} description  words that Python chose for the state
 * @property {"calm" | "waiting" | "over"} mood
 * @property {"none" | "camera" | "screen" | "both"} stage  which of the peer's pictures are there
 * @property {boolean} showsSelf
 * @property {boolean} mirrorsSelf
 * @property {boolean} peerIsMuted
 * @property {"frames" | "transport" | "none"} protection
 * @property {string[]} protectionItems  ids of texts
 * @property {"direct" | "relay" | null} path
 * @property {{isOn: boolean, label: string, isEnabled: boolean}} mic
 * @property {{isOn: boolean, label: string, isEnabled: boolean}} camera
 * @property {{isOn: boolean, label: string, isEnabled: boolean}} share  the screen
 * @property {boolean} canUnmute  the microphone is muted, and can be turned on
 * @property {boolean} canSwitchCamera  there is another one
 * @property {boolean} isPreview  the call has not begun
 * @property {boolean} isOver
 * @property {string | null} notice  id of a text
 * @property {{title: string, help: string} | null} failure  ids of texts
 */

/** @type {Record<Snapshot["phase"], string>} */
const STATUS = {
  idle: "call.status.starting",
  previewing: "call.status.previewing",
  preparing: "call.status.preparing",
  waiting: "call.status.calling",
  connecting: "call.status.connecting",
  connected: "call.status.connected",
  reconnecting: "call.status.reconnecting",
  ended: "call.status.ended",
  failed: "call.status.failed",
};

/** Why a call ended, in Python's words → id. */
/** @type {Record<string, string>} */
const REASONS = {
  declined: "call.status.declined",
  "no answer": "call.status.no-answer",
  unreachable: "call.status.unreachable",
  missed: "call.status.missed",
  busy: "call.status.busy",
  failed: "call.status.failed",
  "connection lost": "call.status.connection-lost",
};

const FAILURES = new Set([
  "permission-denied",
  "no-microphone",
  "microphone-busy",
  "no-encryption",
  "connection-failed",
  "connection-lost",
]);

/** What went wrong where the page itself saw nothing wrong, in Python's words → id of its title. */
/** @type {Record<string, string>} */
const REPORTED_FAILURES = {
  "no-page": "call.failure.setup-failed.title",
  page: "call.failure.setup-failed.title",
  "page-silent": "call.failure.setup-failed.title",
  "no-microphone": "call.failure.no-microphone.title",
  "permission-denied": "call.failure.permission-denied.title",
  "no-encryption": "call.failure.no-encryption.title",
  "peer-no-encryption": "call.failure.no-encryption.title",
  "bad-key": "call.failure.no-encryption.title",
  "peer-silent": "call.failure.setup-failed.title",
  "no-connection": "call.failure.connection-failed.title",
  "connection-lost": "call.failure.connection-lost.title",
  "not-sent": "call.failure.setup-failed.title",
  "too-large": "call.failure.setup-failed.title",
};

/**
 * @param {Snapshot} snapshot
 * @returns {Model}
 */
export function present(snapshot) {
  const { phase, local, peer, tracks, call } = snapshot;
  const isLive = phase === "connected" || phase === "reconnecting";
  const isOver = phase === "ended" || phase === "failed";
  const hasCamera = isLive && peer.camera && tracks.camera !== undefined;
  const hasScreen = isLive && peer.screenVideo && tracks.screenVideo !== undefined;
  const canToggle = phase !== "idle" && !isOver;
  return {
    name: call.contactName ?? "",
    status: statusOf(snapshot),
    showsTimer: phase === "connected",
    description: isLive || isOver ? null : snapshot.description?.state || null,
    mood: isOver ? "over" : isLive ? "calm" : "waiting",
    stage: hasScreen ? (hasCamera ? "both" : "screen") : hasCamera ? "camera" : "none",
    // the preview shows it large
    showsSelf: snapshot.camera !== null && !isOver && phase !== "previewing",
    mirrorsSelf: snapshot.facing === "user",
    // Where the peer does not say: sound that has never been heard may still be on its way, so only its end counts.
    peerIsMuted:
      phase === "connected" && !peer.mic && (snapshot.peerIsExact || (tracks.mic !== undefined && snapshot.peerHasSpoken)),
    protection: isOver || phase === "idle" || phase === "previewing" ? "none" : snapshot.encrypted ? "frames" : isLive ? "transport" : "none",
    protectionItems: protectionItems(snapshot),
    path: snapshot.path,
    mic: {
      isOn: local.mic,
      label: local.mic ? "call.mic.mute" : "call.mic.unmute",
      isEnabled: canToggle && phase !== "preparing",
    },
    camera: {
      isOn: local.camera,
      label: local.camera ? "call.camera.stop" : "call.camera.start",
      isEnabled: canToggle && phase !== "preparing" && snapshot.notice !== "old-peer",
    },
    share: {
      isOn: !local.screenVideo,
      label: local.screenVideo ? "call.share.stop" : "call.share.start",
      isEnabled: isLive && snapshot.canShare && snapshot.notice !== "old-peer",
    },
    canUnmute: isLive && !local.mic,
    canSwitchCamera: isLive && local.camera && snapshot.devices.cameras.length > 1,
    isPreview: phase === "previewing",
    isOver,
    notice: snapshot.notice && `call.notice.${snapshot.notice}`,
    failure: phase === "failed" ? failureTexts(snapshot.error) : phase === "ended" ? reportedFailure(call.failure) : null,
  };
}

/** @param {Snapshot} snapshot */
function statusOf({ phase, call }) {
  if (phase === "ended") return REASONS[call.reason ?? ""] ?? STATUS.ended;
  if (phase !== "waiting") return STATUS[phase];
  if (call.consentWanted) return "call.status.asking";
  return call.progress === "ringing" ? "call.status.ringing" : STATUS.waiting;
}

/** @param {string | null} code */
function failureTexts(code) {
  const known = code && FAILURES.has(code) ? code : "setup-failed";
  return { title: `call.failure.${known}.title`, help: `call.failure.${known}.help` };
}

/** @param {string | undefined} failure */
function reportedFailure(failure = "") {
  const title = REPORTED_FAILURES[failure];
  return title ? { title, help: `client.failure.${failure}` } : null;
}

/**
 * 65 s → "1:05", 3665 s → "1:01:05".
 *
 * @param {number} milliseconds
 * @returns {string}
 */
export function clockText(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const pad = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = pad(seconds % 60);
  return hours > 0 ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/**
 * Whether a picture fills its box or is shown whole: a phone held upright must not lose head and feet on a wide screen.
 *
 * @param {number} width  of the picture
 * @param {number} height
 * @param {number} boxWidth
 * @param {number} boxHeight
 * @returns {"cover" | "contain"}
 */
export function fit(width, height, boxWidth, boxHeight) {
  if (!width || !height || !boxWidth || !boxHeight) return "cover";
  const ratio = width / height / (boxWidth / boxHeight);
  return Math.max(ratio, 1 / ratio) > 1.5 ? "contain" : "cover";
}

/**
 * How loud the caller hears that it rings on the other side, in percent; 0: not at all.
 *
 * @param {Pick<Snapshot, "phase" | "call">} snapshot
 */
export function ringbackOf({ phase, call }) {
  return phase === "waiting" && call.progress === "ringing" && !call.consentWanted ? (call.ringVolume ?? 0) : 0;
}
