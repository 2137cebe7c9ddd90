// @ts-check
/** The call page: wires session, view and transport to the browser. */
import { pageTranslator } from "../common/catalogue.js";
import { connect } from "../common/transport.js";
import { ConsentView } from "./consent-view.js";
import { Devices } from "./devices.js";
import { transformSupport } from "./encryption.js";
import { meters } from "./meter.js";
import { ringbackOf } from "./model.js";
import { unpack } from "./packed.js";
import { ProtectionView } from "./protection-view.js";
import { QualityView } from "./quality-view.js";
import { Session } from "./session.js";
import { speakerOf } from "./speaker.js";
import { CallView } from "./view.js";

/** @type {import("./session.js").Engine} */
const engine = {
  clock: {
    now: () => Date.now(),
    setTimeout: (callback, delay) => setTimeout(callback, delay),
    clearTimeout: (timer) => clearTimeout(timer),
  },
  createConnection: (configuration) => new RTCPeerConnection(configuration),
  createStream: () => new MediaStream(),
  codecs: (kind) => RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [],
  devices: new Devices(navigator.mediaDevices, navigator.permissions),
  meter: meters(() => new AudioContext()),
  blur: async (camera, changed) => (await import("./blur-engine.js")).blurred(camera, changed),
  encryption: {
    support: transformSupport(globalThis),
    createWorker: () => new Worker(new URL("./frames-worker.js", import.meta.url), { type: "module" }),
    createScriptTransform: (worker, options) => new RTCRtpScriptTransform(worker, options),
  },
  // `navigator.connection` tells of estimates rather than of networks, so it is not asked
  watchNetwork: (changed) => addEventListener("online", changed),
  pack: (value) => LZString.compressToBase64(JSON.stringify(value)),
  unpack: (text) => unpack(text, (packed) => LZString.decompressFromBase64(packed)),
};

const transport = connect(
  (message) => void session.handle(message),
  () => session.disconnected(),
);

const useSpeaker = speakerOf([...document.querySelectorAll("audio")]);

/** Loaded when it is wanted. @type {Promise<import("./preview-view.js").PreviewView> | null} */
let preview = null;
function followPreview() {
  if (session.snapshot.phase === "previewing") {
    preview ??= import("./preview-view.js").then(({ PreviewView }) => {
      return new PreviewView(document, pageTranslator(), {
        begin: (media) => session.begin(media),
        hangUp: () => session.hangUp(),
        choose: (kind, id) => void session.choose(kind, id),
        level: () => session.level,
      });
    });
  }
  void preview?.then((shown) => shown.render(session.snapshot));
}

/** Loaded when it is first heard. @type {Promise<import("./ringback.js").Ringback> | null} */
let ringback = null;
function followRingback() {
  if (ringbackOf(session.snapshot) > 0 && session.hasMicrophone) {
    ringback ??= import("./ringback.js").then(({ Ringback }) => new Ringback(() => new AudioContext(), engine.clock));
  }
  void ringback?.then((tone) => tone.follow(ringbackOf(session.snapshot)));
}

const session = new Session(
  engine,
  (message) => transport.send(message),
  () => {
    view.render(session.snapshot);
    protectionView.render(session.snapshot);
    consentView.render(session.snapshot);
    qualityView.render(session.snapshot);
    useSpeaker(session.snapshot.devices.chosen.speaker);
    pasteView?.render(session.snapshot);
    followRingback();
    followPreview();
    settingsView?.render(session.snapshot);
  },
);

const view = new CallView(document, pageTranslator(), {
  mic: () => void session.toggle("mic"),
  camera: () => void session.toggle("camera"),
  share: () => void (session.snapshot.local.screenVideo ? session.stopSharing() : session.shareScreen({ withSound: true })),
  pushToTalk: (isHeld) => void session.pushToTalk(isHeld),
  stopSharing: () => void session.stopSharing(),
  switchCamera: () => void session.switchCamera(),
  settings: () => void showSettings(),
  hangUp: () => session.hangUp(),
  accept: (callId, unencrypted) => session.acceptOther(callId, unencrypted),
  reject: (callId) => session.rejectOther(callId),
  dismissNotice: () => session.dismissNotice(),
  dismissPermission: () => session.dismissPermission(),
  sendText: (text) => session.sendText(text),
  react: (emoji) => session.react(emoji),
});

const protectionView = new ProtectionView(document, pageTranslator());
const consentView = new ConsentView(document, pageTranslator(), {
  consent: () => session.consent(),
  hangUp: () => session.hangUp(),
});
const qualityView = new QualityView(document, pageTranslator(), {
  setLowData: (isLowData) => void session.set({ isLowData }),
});

/** Loaded when it is asked for. @type {import("./settings-view.js").SettingsView | null} */
let settingsView = null;
async function showSettings() {
  const { SettingsView } = await import("./settings-view.js");
  settingsView ??= new SettingsView(document, pageTranslator(), {
    choose: (kind, id) => void session.choose(kind, id),
    set: (changes) => void session.set(changes),
    listDevices: () => void session.listDevices(),
    level: () => session.level,
  });
  settingsView.toggle(session.snapshot);
}

/** Where people carry the descriptions there is more to show. @type {import("../paste/view.js").PasteView | null} */
let pasteView = null;
if (document.getElementById("paste")) {
  const { PasteView } = await import("../paste/view.js");
  pasteView = new PasteView(document, pageTranslator(), {
    start: (media) => session.pasteStart(media),
    paste: (text) => session.paste(text),
  });
  pasteView.render(session.snapshot);
}

view.render(session.snapshot);
setInterval(() => view.tick(Date.now()), 250);
// Closed or reloaded: the transport closes with the page, and Python hangs up. What is open here goes at once.
addEventListener("pagehide", () => session.disconnected());
