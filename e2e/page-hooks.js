// Runs in every page of a test before the page's own scripts: lets a test look at the connections of a call, and lets
// the engine lack what the test wishes (localStorage "e2e-wishes": {name: value}).
(() => {
  /** @type {Record<string, any>} */
  let wishes = {};
  try {
    wishes = JSON.parse(localStorage.getItem("e2e-wishes") ?? "{}");
  } catch {
    // an empty page has no storage
  }
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
    console.error(`Content security policy: ${violatedDirective} ${blockedURI}`);
  });

  const connections = [];
  const NativeConnection = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends NativeConnection {
    constructor(...given) {
      super(...given);
      connections.push(this);
    }
  };

  // what the cipher has last said of itself
  let frames = { encrypted: {}, empty: {}, decrypted: {}, failed: {}, replayed: {} };
  const NativeWorker = globalThis.Worker;
  globalThis.Worker = class extends NativeWorker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (data?.type === "counters") frames = data.counters;
      });
    }
  };

  if (wishes.noEncodedStreams) {
    delete RTCRtpSender.prototype.createEncodedStreams;
    delete RTCRtpReceiver.prototype.createEncodedStreams;
  }
  if (wishes.noScriptTransform) delete globalThis.RTCRtpScriptTransform;

  // as if neither side had said that it knows of keys of tracks
  if (wishes.officialFrames) {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
      send.call(this, typeof data === "string" ? data.replace(',"frames2"', "") : data);
    };
  }

  if (wishes.wrongKey) {
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message, ...rest) {
      if (message?.type === "key") message.key[0] ^= 1;
      return postMessage.call(this, message, ...rest);
    };
  }

  // The engine's own test tone is short beeps, of which a busy machine may look at none.
  function steadyTone() {
    const context = new AudioContext();
    const tone = context.createOscillator();
    const volume = context.createGain();
    volume.gain.value = 0.3;
    const destination = context.createMediaStreamDestination();
    tone.connect(volume).connect(destination);
    tone.start();
    return destination.stream;
  }

  const pulled = new Set();
  const tracks = [];
  const refused = { audio: wishes.microphoneError, video: wishes.cameraError };
  const devices = globalThis.MediaDevices?.prototype;
  if (devices) {
    const { getUserMedia } = devices;
    devices.getUserMedia = async function (constraints) {
      for (const kind of ["audio", "video"]) {
        if (constraints[kind] && refused[kind]) throw new DOMException("as the test wishes", refused[kind]);
      }
      const stream = await getUserMedia.call(this, constraints);
      tracks.push(...stream.getTracks());
      if (constraints.audio && wishes.steadyTone) return steadyTone();
      return stream;
    };
    // without a display there is no screen: the page shares itself, which an engine offers where it is asked for
    const { getDisplayMedia, enumerateDevices } = devices;
    devices.getDisplayMedia = function (options) {
      return getDisplayMedia.call(this, { ...options, preferCurrentTab: true });
    };
    // what the test has pulled out
    devices.enumerateDevices = async function () {
      return (await enumerateDevices.call(this)).filter(({ kind }) => !pulled.has(kind));
    };
  }

  globalThis.e2e = {
    // What the engine itself counts, over all connections of the page, and the cipher.
    async stats() {
      const { encrypted, empty, decrypted, failed } = frames;
      const sums = {
        framesSent: 0, framesDecoded: 0, framesReceived: 0, audioSent: 0, audioReceived: 0, energy: 0,
        framesEncrypted: encrypted.video ?? 0, framesDecrypted: decrypted.video ?? 0, framesFailed: failed.video ?? 0,
        audioEncrypted: (encrypted.audio ?? 0) + (empty.audio ?? 0), audioDecrypted: decrypted.audio ?? 0, audioFailed: failed.audio ?? 0,
      };
      for (const connection of connections) {
        for (const report of (await connection.getStats()).values()) {
          if (report.type === "outbound-rtp" && report.kind === "video") sums.framesSent += report.framesSent ?? 0;
          if (report.type === "outbound-rtp" && report.kind === "audio") sums.audioSent += report.packetsSent ?? 0;
          if (report.type !== "inbound-rtp") continue;
          if (report.kind === "video") {
            sums.framesDecoded += report.framesDecoded ?? 0;
            sums.framesReceived += report.framesReceived ?? 0;
          } else {
            sums.audioReceived += report.packetsReceived ?? 0;
            sums.energy += report.totalAudioEnergy ?? 0;
          }
        }
      }
      return sums;
    },
    /** Pulls out the device that is in use; `others` says whether there are more of its kind. */
    pull(kind, { others }) {
      if (!others) pulled.add(`${kind}input`);
      for (const track of tracks.filter((one) => one.kind === kind && one.readyState === "live")) {
        track.stop();
        track.dispatchEvent(new Event("ended"));
      }
    },
    // by what each connection is known to the other side; others after ICE began anew
    ways: () => connections.map(({ currentLocalDescription }) => /^a=ice-ufrag:(\S+)/m.exec(currentLocalDescription?.sdp ?? "")?.[1]),
    /** Ours and the other's, of the connection that stands. */
    descriptions: () =>
      connections
        .filter(({ connectionState }) => connectionState === "connected")
        .flatMap(({ localDescription, remoteDescription }) => [localDescription.sdp, remoteDescription.sdp]),
    states: () => connections.map(({ connectionState }) => connectionState),
  };
})();
