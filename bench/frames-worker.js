// Measures the ciphers of frames where they run: in a worker. All take turns in one run, so that noise hits them alike.
import { decryptFrame, encryptFrame, importKey } from "/static/call/frames.js";
import { FrameOpener, FrameSealer } from "/static/call/sframe.js";

const SIZES = [80, 1200, 15000, 150000];
const ROUNDS = 25;
const FRAMES = (size) => (size < 100000 ? 40 : 8);

const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];

async function timed(action, count) {
  const start = performance.now();
  for (let n = 0; n < count; n += 1) await action(n);
  return ((performance.now() - start) / count) * 1000;
}

async function measure(size) {
  const codec = size < 1000 ? "opus" : "vp8";
  const kind = codec === "opus" ? "audio" : "delta";
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  bytes[0] |= 1;
  const frame = bytes.buffer;
  const key = await importKey(crypto.getRandomValues(new Uint8Array(32)));
  const base = crypto.getRandomValues(new Uint8Array(32));
  const sealer = await FrameSealer.of(base, codec);
  const opener = await FrameOpener.of(base, codec);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const how = { name: "AES-GCM", iv };
  const bare = await crypto.subtle.encrypt(how, key, frame);
  const official = await encryptFrame(key, frame, kind);
  const count = FRAMES(size);
  const times = { encrypt: [[], [], []], decrypt: [[], [], []] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const sealed = [];
    for (let n = 0; n < count; n += 1) sealed.push(await sealer.seal(frame));
    const actions = {
      encrypt: [
        () => crypto.subtle.encrypt(how, key, frame),
        () => encryptFrame(key, frame, kind),
        () => sealer.seal(frame),
      ],
      decrypt: [
        () => crypto.subtle.decrypt(how, key, bare),
        () => decryptFrame(key, official, kind),
        (n) => opener.open(sealed[n]),
      ],
    };
    for (const operation of ["encrypt", "decrypt"]) {
      for (const [at, action] of actions[operation].entries()) times[operation][at].push(await timed(action, count));
    }
  }
  return { size, encrypt: times.encrypt.map(median), decrypt: times.decrypt.map(median) };
}

const rows = [];
for (const size of SIZES) rows.push(await measure(size));
postMessage(rows);
