// @ts-check
/** What there is to show of a call, as plain values; session.js keeps it, model.js makes words and parts of it. */
import { noVoices } from "./levels.js";
import { noDevices } from "./preferences.js";
import { DEFAULT_SETTINGS } from "./settings.js";
import { noSources } from "./sources.js";

/**
 * @typedef {import("./sources.js").Source} Source
 * @typedef {import("./sources.js").Sources} Sources
 *
 * @typedef {object} OtherCall
 * @property {string | number} callId
 * @property {string} contactName
 * @property {"audio" | "video"} media
 * @property {boolean} [encrypted]  false: their app does not encrypt frames
 *
 * @typedef {object} CallInfo  what Python tells about the call (command `call`)
 * @property {string} contactName
 * @property {"audio" | "video"} media
 * @property {string} state
 * @property {string} direction
 * @property {string} progress  of our invitation: "ringing" once the contact's device has it
 * @property {number} ringVolume  percent, of the tone while it rings there
 * @property {string} reason  why it ended, once it has
 * @property {string} failure  what went wrong, if it failed
 * @property {boolean | null} isQuantumResistant  the conversation's ratchet, in both directions; null where there is none
 * @property {"" | "ours" | "theirs"} consentWanted  whose program cannot encrypt frames: our user's yes is waited for
 * @property {OtherCall[]} others  other calls that ring now
 *
 * @typedef {object} PasteInfo  a call without SimpleX: what is to be passed on, and what was wrong with what was pasted
 * @property {"choosing" | "offering" | "offered" | "answering" | "answered" | "connecting" | "connected" | "ended"} step
 * @property {string} text
 * @property {{size: number, path: string}[]} codes  QR codes of the text
 * @property {string | null} problem
 * @property {{read: number, count: number} | null} parts
 * @property {boolean} relayOnly  our own addresses are not in the text
 *
 * @typedef {"camera-denied" | "no-camera" | "camera-busy" | "camera-lost" | "camera-changed" | "no-blur" | "slow-blur" | "microphone-lost" | "microphone-changed" | "speaker-changed" | "no-screen" | "old-peer" | "undecryptable"} NoticeCode
 *
 * @typedef {object} Snapshot
 * @property {import("./phases.js").Phase} phase
 * @property {"audio" | "video"} media
 * @property {Sources} local
 * @property {Sources} peer
 * @property {boolean} peerIsExact  the peer's sources are by its own word, not by what can be seen
 * @property {boolean} peerHasSpoken  the peer's microphone was on at some time
 * @property {MediaStreamTrack | null} camera  our own picture
 * @property {"user" | "environment"} facing
 * @property {import("./blur.js").BlurState} blur  of our own picture's background
 * @property {MediaStreamTrack | null} screen  our own screen, as we share it
 * @property {boolean} hasScreenSound
 * @property {boolean} canShare  the engine can share a screen
 * @property {{self: boolean, peer: boolean}} speaking
 * @property {boolean} isTalkingWhileMuted
 * @property {import("./preferences.js").DeviceLists} devices
 * @property {import("./settings.js").MediaSettings} settings
 * @property {Partial<Record<Source, MediaStreamTrack>>} tracks  the peer's
 * @property {readonly number[] | null} code  the call code, as places in its table
 * @property {import("./protection.js").ProtectionDetails | null} protectionDetails
 * @property {import("./quality.js").QualityView | null} quality
 * @property {boolean} encrypted  every frame goes through the cipher
 * @property {"direct" | "relay" | null} path
 * @property {number | null} connectedAt
 * @property {boolean} canChat  texts and reactions can be sent
 * @property {import("./conversation.js").CallText[]} messages
 * @property {import("./conversation.js").Reaction[]} reactions  of the last seconds
 * @property {NoticeCode | null} notice
 * @property {string | null} error  the code of what ended the call
 * @property {Partial<CallInfo>} call
 * @property {string | number | null} askedOther  another call: whether it is to be taken without encryption
 * @property {PasteInfo | null} paste
 * @property {"default" | "localVideo" | "remoteVideo"} layout
 * @property {{state: string, description: string} | null} description
 * @property {{title: string, chrome: string, safari: string} | null} permission
 */

/** @returns {Snapshot} */
export function freshSnapshot() {
  return {
    phase: "idle",
    media: "audio",
    local: noSources(),
    peer: noSources(),
    peerIsExact: false,
    peerHasSpoken: false,
    camera: null,
    facing: "user",
    blur: "off",
    screen: null,
    hasScreenSound: false,
    canShare: false,
    ...noVoices(),
    devices: noDevices(),
    settings: { ...DEFAULT_SETTINGS },
    tracks: {},
    code: null,
    protectionDetails: null,
    quality: null,
    encrypted: false,
    path: null,
    connectedAt: null,
    canChat: false,
    messages: [],
    reactions: [],
    notice: null,
    error: null,
    call: {},
    askedOther: null,
    paste: null,
    layout: "default",
    description: null,
    permission: null,
  };
}

/** @param {NoticeCode | null} notice */
export function isCameraNotice(notice) {
  return notice !== null && ["camera-denied", "no-camera", "camera-busy", "camera-lost", "camera-changed", "no-blur", "slow-blur"].includes(notice);
}

/**
 * @param {import("./devices.js").DeviceCode} code
 * @returns {NoticeCode}
 */
export function noticeOf(code) {
  return ["camera-denied", "no-camera", "camera-busy", "no-blur", "no-screen"].includes(code)
    ? /** @type {NoticeCode} */ (code)
    : "microphone-lost";
}
