// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_MS, FIRST_MS } from "../static/call/candidates.js";
import { RENEW_MS } from "../static/call/connection.js";
import { CODE_FEATURE } from "../static/call/call-code.js";
import { DeviceError } from "../static/call/devices.js";
import { FIRST_FRAME_POLL_MS, STATS_MS } from "../static/call/monitor.js";
import { nextPhase, TRANSITIONS } from "../static/call/phases.js";
import { FEATURES } from "../static/call/protocol.js";
import { LOST_MS } from "../static/call/reconnection.js";
import { CONNECT_MS } from "../static/call/session.js";
import { Bench, KEY, pack, unpack } from "./support/bench.js";
import { settle, until } from "./support/fakes.js";

/** @param {Record<string, number>} numbers */
function statsReport({ audioBytes = 0, videoBytes = 0, framesDecoded = 0 }) {
  return new Map(
    Object.entries({
      a: { type: "inbound-rtp", kind: "audio", mid: "0", bytesReceived: audioBytes, packetsReceived: audioBytes },
      v: { type: "inbound-rtp", kind: "video", mid: "1", bytesReceived: videoBytes, framesDecoded, frameWidth: 640, frameHeight: 360 },
      o: { type: "outbound-rtp", kind: "audio", packetsSent: 3 },
      t: { type: "transport", selectedCandidatePairId: "p" },
      p: { type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r" },
      l: { type: "local-candidate", candidateType: "host" },
      r: { type: "remote-candidate", candidateType: "relay" },
    }),
  );
}

// Every transition of the table, made by what makes it in life

/** How to get into a phase. @type {Record<string, (bench: Bench) => Promise<unknown>>} */
const REACH = {
  idle: async () => {},
  preparing: async (bench) => {
    bench.devices.isHeld = true;
    void bench.session.handle({ command: { type: "capabilities", media: "audio" } });
    await settle();
  },
  previewing: async (bench) => {
    bench.devices.isHeld = true;
    void bench.session.handle({ command: { type: "capabilities", media: "audio", preview: true } });
    await settle();
  },
  waiting: (bench) => bench.capabilities(),
  connecting: async (bench) => {
    await bench.capabilities();
    await bench.offer();
  },
  connected: (bench) => bench.connected(),
  reconnecting: async (bench) => {
    await bench.connected();
    bench.connection.become("disconnected");
  },
  ended: async (bench) => {
    await bench.capabilities();
    await bench.command({ type: "end" });
  },
  failed: async (bench) => {
    bench.devices.failures.microphone = new DeviceError("no-microphone", "none");
    await bench.capabilities();
    bench.devices.failures = {};
  },
};

/** What makes an event. @type {Record<string, (bench: Bench) => Promise<unknown>>} */
const MAKE = {
  prepare: async (bench) => {
    bench.devices.isHeld = true;
    void bench.session.handle({ command: { type: "start", media: "audio" } });
    await settle();
  },
  preview: async (bench) => {
    void bench.session.handle({ command: { type: "start", media: "audio", preview: true } });
    await settle();
  },
  begin: async (bench) => bench.session.begin("audio"),
  prepared: async (bench) => {
    bench.devices.release();
    await settle();
  },
  negotiate: async (bench) => {
    if (bench.shot.phase === "preparing") {
      await MAKE.prepare?.(bench);
      bench.devices.release();
      await settle();
      await bench.clock.advance(FIRST_MS);
    } else await bench.offer();
  },
  connect: async (bench) => bench.connection.become("connected"),
  disconnect: async (bench) => bench.connection.become("disconnected"),
  end: (bench) => bench.command({ type: "end" }),
  fail: async (bench) => {
    if (bench.connections.length > 0) {
      bench.connection.become("failed");
      if (bench.shot.phase === "reconnecting") await bench.clock.advance(LOST_MS);
    } else if (bench.shot.phase === "preparing") {
      bench.devices.failures.microphone = new DeviceError("no-microphone", "none");
      bench.devices.release();
    } else await bench.offer({ offer: pack({ type: "offer", sdp: "broken" }) });
    await settle();
  },
};

for (const [phase, events] of Object.entries(TRANSITIONS)) {
  for (const [event, target] of Object.entries(events)) {
    test(`${phase} → ${event} → ${target}`, async () => {
      const bench = new Bench();
      await REACH[phase]?.(bench);
      assert.equal(bench.shot.phase, phase);
      await MAKE[event]?.(bench);
      await settle();
      assert.equal(bench.shot.phase, target);
    });
  }
}

test("what the table does not have means nothing", () => {
  assert.equal(nextPhase("ended", "connect"), undefined);
  assert.equal(nextPhase("idle", "disconnect"), undefined);
});

// Setting up

test("capabilities: the microphone is there before the answer, the camera may come later", async () => {
  const bench = new Bench();
  assert.deepEqual(await bench.capabilities(), { type: "capabilities", capabilities: { encryption: true, features: [...FEATURES] } });
  assert.deepEqual(bench.shot.local, { mic: true, camera: true, screenAudio: false, screenVideo: false });
  assert.equal(bench.connections.length, 0);
});

test("an engine without transforms says so", async () => {
  const bench = new Bench();
  bench.support = null;
  assert.deepEqual((await bench.capabilities()).capabilities, { encryption: false });
});

test("start: four transceivers in the fixed order, ours to send and to receive, VP8 and Opus alone", async () => {
  const bench = new Bench();
  const offer = await bench.start({ relay: true, iceServers: [{ urls: "turn:t" }] });
  assert.equal(offer.type, "offer");
  assert.deepEqual(unpack(offer.offer), { type: "offer", sdp: "our offer" });
  assert.deepEqual(offer.capabilities, { encryption: true, features: [...FEATURES] });
  const { transceivers, configuration } = bench.connection;
  assert.deepEqual(transceivers.map(({ receiver }) => receiver.track.kind), ["audio", "video", "audio", "video"]);
  assert.deepEqual(transceivers.map(({ direction }) => direction), Array(4).fill("sendrecv"));
  assert.deepEqual(transceivers[0]?.codecs, [{ mimeType: "audio/opus" }]);
  assert.deepEqual(transceivers[1]?.codecs, [{ mimeType: "video/VP8" }]);
  assert.equal(configuration.iceTransportPolicy, "relay");
  assert.deepEqual(configuration.iceServers, [{ urls: "turn:t" }]);
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
});

test("through relays only, candidates that are no relay's are not told", async () => {
  const bench = new Bench();
  await bench.start({ relay: true, iceServers: [{ urls: "turn:t" }] });
  bench.connection.gather("candidate:1 1 udp 1 192.168.1.7 5000 typ host");
  bench.connection.gather("candidate:2 1 udp 1 203.0.113.5 5000 typ relay raddr 192.168.1.7 rport 5000");
  bench.connection.gather(null);
  const told = bench.said("ice").flatMap(({ resp }) => unpack(resp.iceCandidates));
  assert.deepEqual(told, [{ candidate: "candidate:2 1 udp 1 203.0.113.5 5000 typ relay raddr 0.0.0.0 rport 0" }]);
});

test("an engine that refuses stuns: gets the other servers; other refusals are errors", async () => {
  const iceServers = [{ urls: "stuns:a" }, { urls: ["stuns:b", "stun:b"] }, { urls: "turn:c", username: "u", credential: "p" }];
  const bench = new Bench();
  bench.refusedUrls = ["stuns:"];
  assert.equal((await bench.start({ iceServers })).type, "offer");
  assert.deepEqual(bench.connection.configuration.iceServers, [
    { urls: ["stun:b"] },
    { urls: ["turn:c"], username: "u", credential: "p" },
  ]);
  const refusing = new Bench();
  refusing.refusedUrls = ["turn:"];
  assert.equal((await refusing.start({ iceServers })).code, "setup-failed");
  assert.equal(refusing.shot.phase, "failed");
});

test("offer: the peer's transceivers are taken as they are, its candidates too", async () => {
  const bench = new Bench();
  await bench.capabilities();
  const answer = await bench.offer();
  assert.equal(answer.type, "answer");
  assert.deepEqual(unpack(answer.answer), { type: "answer", sdp: "our answer" });
  assert.equal(bench.connection.transceivers.length, 4);
  assert.deepEqual(bench.connection.transceivers.map(({ direction }) => direction), Array(4).fill("sendrecv"));
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  assert.deepEqual(bench.connection.remoteCandidates, [{ candidate: "theirs" }]);
});

test("offer without capabilities before: the devices are opened then", async () => {
  const bench = new Bench();
  assert.equal((await bench.offer()).type, "answer");
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
});

test("an old peer with two transceivers gets microphone and camera, one with one the microphone", async () => {
  const two = new Bench();
  await two.capabilities();
  await two.offer({}, 2);
  assert.deepEqual(two.sent(), ["audio", "video"]);
  assert.equal(two.shot.notice, null);

  const one = new Bench();
  await one.capabilities();
  assert.equal((await one.offer({}, 1)).type, "answer");
  assert.equal(one.shot.notice, "old-peer");
  assert.equal(one.shot.local.camera, false);
  assert.equal(one.devices.open("video").length, 0);
  assert.equal((await one.command({ type: "media", source: "camera", enable: true })).type, "error");
});

test("an audio call asks for no camera", async () => {
  const bench = new Bench();
  await bench.start({ media: "audio" });
  assert.deepEqual(bench.devices.asked, []);
  assert.deepEqual(bench.sent(), ["audio", null, null, null]);
});

test("answer: once, after an offer of ours", async () => {
  const bench = new Bench();
  assert.equal((await bench.answer()).type, "error");
  await bench.start();
  assert.deepEqual(await bench.answer(), { type: "ok" });
  assert.equal((await bench.answer()).type, "error");
  assert.equal(bench.shot.phase, "connecting");
});

test("a second offer is refused, the call goes on", async () => {
  const bench = new Bench();
  await bench.capabilities();
  await bench.offer();
  assert.match((await bench.offer()).message, /already started/);
  assert.equal(bench.shot.phase, "connecting");
});

test("candidates: before the call and before the description they are kept, bad ones say nothing of the others", async () => {
  const bench = new Bench();
  const ice = (/** @type {string} */ name) => bench.command({ type: "ice", iceCandidates: pack([{ candidate: name }]) });
  assert.match((await ice("early")).message, /will add candidates later/);
  await bench.start();
  assert.deepEqual(await ice("bad"), { type: "ok" });
  assert.deepEqual(await ice("between"), { type: "ok" });
  assert.deepEqual(bench.connection.remoteCandidates, []);
  await bench.answer();
  await settle();
  const names = bench.connection.remoteCandidates.map((candidate) => /** @type {any} */ (candidate).candidate);
  assert.deepEqual(names, ["early", "between", "theirs"]);
  assert.equal((await bench.command({ type: "ice", iceCandidates: "%%%" })).type, "error");
  assert.equal(bench.shot.phase, "connecting");
});

test("candidates without end: the engine gets some, the call goes on", async () => {
  const bench = new Bench();
  await bench.start();
  await bench.answer();
  const flood = pack(Array.from({ length: 5_000 }, (_, number) => ({ candidate: `candidate:${number}` })));
  for (let time = 0; time < 20; time += 1) assert.deepEqual(await bench.command({ type: "ice", iceCandidates: flood }), { type: "ok" });
  await settle();
  assert.equal(bench.connection.remoteCandidates.length, 512);
  assert.equal(bench.shot.phase, "connecting");
});

test("an offer with media without end is refused before the engine sees it", async () => {
  const bench = new Bench();
  await bench.capabilities();
  const sdp = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(1_000);
  const response = await bench.command({ type: "offer", offer: pack({ type: "offer", sdp }), iceCandidates: pack([]), media: "audio" });
  assert.deepEqual([response.type, response.code], ["error", "setup-failed"]);
  assert.equal(bench.connections.length, 0);
});

test("candidates that are found after the first group follow as ice", async () => {
  const bench = new Bench();
  await bench.start();
  bench.connection.gather("late");
  bench.connection.gather("");
  bench.connection.gather(null);
  assert.deepEqual(bench.said("ice").map(({ resp }) => unpack(resp.iceCandidates)), [[{ candidate: "late" }]]);
});

test("commands are carried out one after the other", async () => {
  const bench = new Bench();
  bench.devices.isHeld = true;
  const offer = pack({ type: "offer", sdp: "4" });
  void bench.session.handle({ corrId: 101, command: { type: "capabilities", media: "audio" } });
  void bench.session.handle({ corrId: 102, command: { type: "offer", offer, iceCandidates: pack([]), media: "audio" } });
  await settle();
  assert.equal(bench.responses.length, 0);
  bench.devices.release();
  await settle();
  await bench.clock.advance(FIRST_MS);
  assert.deepEqual(bench.responses.map(({ corrId, resp }) => [corrId, resp.type]), [
    [101, "capabilities"],
    [102, "answer"],
  ]);
});

// Encryption

for (const support of /** @type {const} */ (["streams", "script"])) {
  test(`${support}: every transceiver is protected both ways, on either side`, async () => {
    for (const isCaller of [true, false]) {
      const bench = new Bench();
      bench.support = support;
      await (isCaller ? bench.offer() : bench.start());
      const transforms = bench.workers.flatMap(({ messages }) => messages).filter(({ type }) => type === "transform");
      assert.equal(transforms.filter(({ operation }) => operation === "encrypt").length, 4);
      assert.equal(transforms.filter(({ operation }) => operation === "decrypt").length, 4);
      assert.equal(bench.shot.encrypted, true);
      assert.equal(/** @type {any} */ (bench.connection.configuration).encodedInsertableStreams === true, support === "streams");
    }
  });
}

test("no track is attached before the worker has confirmed, and no offer leaves", async () => {
  const bench = new Bench();
  bench.isWorkerSilent = true;
  void bench.session.handle({ corrId: 7, command: { type: "start", media: "video", aesKey: KEY } });
  await settle();
  await bench.clock.advance(1000);
  assert.deepEqual(bench.sent(), [null, null, null, null]);
  assert.deepEqual(bench.said("offer"), []);
  const worker = /** @type {import("./support/fakes.js").FakeWorker} */ (bench.workers[0]);
  for (const { type, id } of worker.messages) if (type === "transform") worker.say({ type: "ready", id });
  await settle();
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
  assert.equal(bench.said("offer").length, 1);
});

test("encryption that cannot be had: the call does not start, on either side", async () => {
  for (const command of /** @type {const} */ (["start", "offer"])) {
    const bench = new Bench();
    bench.support = null;
    const resp = await bench[command]();
    assert.deepEqual([resp.type, resp.code], ["error", "no-encryption"]);
    assert.equal(bench.shot.phase, "failed");
    assert.equal(bench.connections.length, 0);
    assert.equal(bench.devices.open("audio").length + bench.devices.open("video").length, 0);
  }
});

test("a worker that never answers: nothing was sent, the call fails", async () => {
  const bench = new Bench();
  bench.isWorkerSilent = true;
  void bench.session.handle({ corrId: 7, command: { type: "start", media: "video", aesKey: KEY } });
  await settle();
  await bench.clock.advance(60_000);
  assert.equal(bench.said("error")[0]?.resp.code, "no-encryption");
  assert.deepEqual(bench.sent(), [null, null, null, null]);
  assert.equal(bench.connection.isClosed, true);
});

test("without a key there is neither worker nor transform", async () => {
  const bench = new Bench();
  await bench.start({ aesKey: undefined });
  assert.equal(bench.workers.length, 0);
  assert.equal(bench.shot.encrypted, false);
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
});

test("a key that is none fails without showing it", async () => {
  const bench = new Bench();
  const resp = await bench.start({ aesKey: "c2hvcnQ=" });
  assert.deepEqual([resp.type, resp.code], ["error", "setup-failed"]);
  assert.ok(!JSON.stringify(bench.responses).includes("c2hvcnQ="));
});

test("commands come back with their answer, but no key and no credentials", async () => {
  const bench = new Bench();
  await bench.start({ iceServers: [{ urls: "turn:t", credential: "secret" }] });
  const text = JSON.stringify(bench.responses);
  assert.ok(!text.includes(KEY) && !text.includes("secret"));
  assert.equal(bench.responses.at(-1).command.type, "start");
});

// Devices

for (const code of /** @type {const} */ (["permission-denied", "no-microphone", "microphone-busy"])) {
  test(`${code}: the call does not start, and says why`, async () => {
    for (const command of /** @type {const} */ (["capabilities", "start"])) {
      const bench = new Bench();
      bench.devices.failures.microphone = new DeviceError(code, "no");
      const resp = await bench[command]();
      assert.deepEqual([resp.type, resp.code], ["error", code]);
      assert.deepEqual([bench.shot.phase, bench.shot.error], ["failed", code]);
      assert.equal(bench.devices.open("video").length, 0);
    }
  });
}

for (const code of /** @type {const} */ (["no-camera", "camera-denied", "camera-busy"])) {
  test(`${code}: the call goes on with audio, and says so`, async () => {
    const bench = new Bench();
    bench.devices.failures.camera = new DeviceError(code, "no");
    assert.equal((await bench.start()).type, "offer");
    assert.deepEqual(bench.said("info").map(({ resp }) => resp.code), [code]);
    assert.equal(bench.shot.notice, code);
    assert.deepEqual(bench.sent(), ["audio", null, null, null]);
    bench.session.dismissNotice();
    assert.equal(bench.shot.notice, null);
  });
}

test("mute sends nothing and keeps the microphone; unmute sends it again", async () => {
  const bench = await new Bench().connected();
  await bench.session.toggle("mic");
  const microphone = bench.devices.open("audio")[0];
  assert.deepEqual([bench.sent()[0], bench.shot.local.mic, microphone?.enabled], [null, false, false]);
  assert.deepEqual(bench.responses.at(-1), { resp: { type: "ok" }, command: { type: "media", source: "mic", enable: false } });
  await bench.session.toggle("mic");
  assert.deepEqual([bench.sent()[0], bench.shot.local.mic, microphone?.enabled], ["audio", true, true]);
  assert.equal(bench.devices.tracks.filter(({ kind }) => kind === "audio").length, 1);
});

test("muted before the contact answers: still muted in the call", async () => {
  const bench = new Bench();
  await bench.capabilities();
  await bench.session.toggle("mic");
  await bench.session.toggle("camera");
  await bench.offer();
  assert.deepEqual(bench.sent(), [null, null, null, null]);
});

test("the camera is given back when it is turned off, and opened anew", async () => {
  const bench = await new Bench().connected();
  await bench.session.toggle("camera");
  assert.deepEqual([bench.sent()[1], bench.shot.local.camera, bench.devices.open("video").length], [null, false, 0]);
  await bench.session.toggle("camera");
  assert.deepEqual([bench.sent()[1], bench.shot.local.camera, bench.devices.open("video").length], ["video", true, 1]);
});

test("turned off while it is still opening, the camera stays off", async () => {
  const bench = new Bench();
  bench.devices.isHeld = "camera";
  assert.equal((await bench.start()).type, "offer");
  assert.deepEqual(await bench.command({ type: "media", source: "camera", enable: false }), { type: "ok" });
  bench.devices.release();
  await settle();
  assert.equal(bench.shot.local.camera, false);
  assert.equal(bench.devices.open("video").length, 0);
  assert.deepEqual(bench.sent(), ["audio", null, null, null]);
});

test("a camera that opens late is sent from then on", async () => {
  const bench = new Bench();
  bench.devices.isHeld = "camera";
  await bench.start();
  await bench.answer();
  assert.deepEqual(bench.sent(), ["audio", null, null, null]);
  bench.devices.release();
  await settle();
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
});

test("another camera replaces the first", async () => {
  const bench = await new Bench().connected();
  assert.deepEqual(await bench.command({ type: "camera", camera: "environment" }), { type: "ok" });
  assert.deepEqual(bench.devices.asked, ["user", "environment"]);
  assert.equal(bench.devices.open("video").length, 1);
  assert.equal(bench.shot.facing, "environment");
  assert.equal((await bench.command({ type: "camera", camera: "side" })).type, "error");
});

test("devices that are pulled out are seen", async () => {
  const bench = await new Bench().connected();
  bench.devices.open("video")[0]?.dispatchEvent(new Event("ended"));
  await settle();
  assert.deepEqual([bench.shot.notice, bench.shot.local.camera, bench.sent()[1]], ["camera-lost", false, null]);
  bench.devices.open("audio")[0]?.dispatchEvent(new Event("ended"));
  await settle();
  assert.deepEqual([bench.shot.notice, bench.shot.local.mic, bench.sent()[0]], ["microphone-lost", false, null]);
  await bench.session.toggle("mic");
  assert.deepEqual([bench.shot.notice, bench.shot.local.mic, bench.sent()[0]], [null, true, "audio"]);
});

test("without a call there is nothing to toggle", async () => {
  assert.equal((await new Bench().command({ type: "media", source: "mic", enable: true })).type, "error");
  assert.equal((await new Bench().command({ type: "camera", camera: "user" })).type, "error");
});

// Connected

test("connected is said once, with the pair of candidates", async () => {
  const bench = new Bench();
  await bench.capabilities();
  await bench.offer();
  bench.connection.report = /** @type {any} */ (statsReport({}));
  bench.connection.become("connected");
  await settle();
  bench.connection.become("disconnected");
  bench.connection.become("connected");
  await settle();
  assert.equal(bench.said("connected").length, 1);
  assert.equal(bench.said("connected")[0].resp.connectionInfo.remoteCandidate.candidateType, "relay");
  assert.deepEqual(bench.said("connection").map(({ resp }) => resp.state.connectionState), ["connected", "disconnected", "connected"]);
});

test("the timer starts with the first connection and goes on through a break", async () => {
  const bench = await new Bench().connected();
  const { connectedAt } = bench.shot;
  assert.equal(connectedAt, bench.clock.now());
  await bench.clock.advance(5000);
  bench.connection.become("disconnected");
  bench.connection.become("connected");
  assert.equal(bench.shot.connectedAt, connectedAt);
});

test("statistics: soon after the first frame, then once a second; the peer's sources and the path are seen", async () => {
  const bench = await new Bench().connected();
  await bench.clock.advance(3 * FIRST_FRAME_POLL_MS);
  assert.equal(bench.shot.peer.mic, false);
  bench.connection.report = /** @type {any} */ (statsReport({ audioBytes: 9, videoBytes: 9, framesDecoded: 1 }));
  Object.assign(bench.workers[0]?.counters.encrypted ?? {}, { audio: 3, video: 4 });
  Object.assign(bench.workers[0]?.counters.empty ?? {}, { audio: 1 });
  const count = bench.said("stats").length;
  await bench.clock.advance(FIRST_FRAME_POLL_MS);
  const { stats } = bench.said("stats")[count].resp;
  assert.equal(stats.firstFrameAt, bench.clock.now());
  assert.deepEqual([stats.framesSent, stats.framesEncrypted, stats.framesDecoded, stats.path, stats.width], [3, 7, 1, "relay", 640]);
  assert.deepEqual([bench.shot.peer.mic, bench.shot.peer.camera, bench.shot.path], [true, true, "relay"]);
  assert.deepEqual(bench.said("peerMedia").map(({ resp }) => [resp.source, resp.enabled]), [
    ["mic", true],
    ["camera", true],
  ]);
  await bench.clock.advance(5 * STATS_MS);
  assert.equal(bench.said("stats").length, count + 6);
  assert.equal(bench.shot.peer.mic, false);
});

test("a peer without a camera: the statistics calm down all the same", async () => {
  const bench = await new Bench().connected();
  await bench.clock.advance(20_000);
  const count = bench.said("stats").length;
  await bench.clock.advance(10 * STATS_MS);
  assert.equal(bench.said("stats").length, count + 10);
  assert.equal(bench.said("stats").at(-1).resp.stats.firstFrameAt, undefined);
});

test("when not one frame can be decrypted, it is said, once", async () => {
  const bench = await new Bench().connected();
  const { failed, decrypted } = bench.workers[0]?.counters ?? assert.fail();
  failed.audio = 100;
  await bench.clock.advance(STATS_MS);
  assert.equal(bench.shot.notice, "undecryptable");
  bench.session.dismissNotice();
  await bench.clock.advance(STATS_MS);
  assert.equal(bench.shot.notice, null);

  const fine = await new Bench().connected();
  Object.assign(fine.workers[0]?.counters ?? {}, { failed: { audio: 100, video: 0 }, decrypted: { ...decrypted, audio: 1 } });
  await fine.clock.advance(STATS_MS);
  assert.equal(fine.shot.notice, null);
});

test("an audio call's first sound counts as its first frame", async () => {
  const bench = new Bench();
  await bench.start({ media: "audio" });
  await bench.answer();
  bench.connection.report = /** @type {any} */ (statsReport({ audioBytes: 9 }));
  Object.assign(bench.workers[0]?.counters.encrypted ?? {}, { audio: 3 });
  bench.connection.become("connected");
  await bench.clock.advance(FIRST_FRAME_POLL_MS);
  assert.equal(bench.said("stats")[0].resp.stats.firstFrameAt, bench.clock.now());
});

test("the engine counts a frame before the cipher has it: the cipher may catch up, but not for ever", async () => {
  const bench = await new Bench().connected();
  const numbers = () => {
    const { stats } = /** @type {any} */ (bench.said("stats").at(-1)).resp;
    return [stats.framesSent, stats.framesEncrypted];
  };
  bench.connection.report = /** @type {any} */ (statsReport({ audioBytes: 9, framesDecoded: 1 }));
  const encrypted = bench.workers[0]?.counters.encrypted ?? { audio: 0, video: 0 };
  encrypted.audio = 2;
  const count = bench.said("stats").length;
  await bench.clock.advance(2 * FIRST_FRAME_POLL_MS);
  assert.equal(bench.said("stats").length, count);
  encrypted.audio = 3;
  await bench.clock.advance(100);
  assert.equal(bench.said("stats").length, count + 1);
  assert.deepEqual(numbers(), [3, 3]);
  encrypted.audio = 1;
  await bench.clock.advance(3 * STATS_MS);
  assert.deepEqual(numbers(), [3, 1]);
});

test("the peer's tracks are shown by their source", async () => {
  const bench = await new Bench().connected();
  assert.deepEqual(Object.keys(bench.shot.tracks), ["mic", "camera"]);
});

// The end

test("hanging up stops everything at once and is said once", async () => {
  const bench = await new Bench().connected();
  bench.session.hangUp();
  bench.session.hangUp();
  assert.equal(bench.said("end").length, 1);
  assert.equal(bench.shot.phase, "ended");
  assert.equal(bench.connection.isClosed, true);
  assert.equal(bench.workers[0]?.isTerminated, true);
  assert.ok(bench.devices.tracks.every(({ isStopped }) => isStopped));
  assert.equal(bench.clock.pending, 0);
  assert.deepEqual(await bench.command({ type: "end" }), { type: "ok" });
});

test("a call that never connects fails after its time; before the answer there is no such time", async () => {
  const bench = new Bench();
  await bench.start();
  await bench.clock.advance(10 * CONNECT_MS);
  assert.equal(bench.shot.phase, "connecting");
  await bench.answer();
  await bench.clock.advance(CONNECT_MS);
  assert.deepEqual([bench.shot.phase, bench.shot.error], ["failed", "connection-failed"]);
  assert.equal(bench.said("error")[0].resp.code, "connection-failed");
  assert.equal(bench.said("ended")[0].resp.reason, "connection-failed");
  assert.equal(bench.clock.pending, 0);
});

test("the peer's closing of the connection ends the call", async () => {
  const bench = await new Bench().connected();
  bench.connection.become("closed");
  assert.equal(bench.shot.phase, "ended");
  assert.equal(bench.said("ended").length, 1);
});

test("Python gone: everything stops, nobody is told", async () => {
  const bench = await new Bench().connected();
  const count = bench.responses.length;
  bench.session.disconnected();
  assert.equal(bench.shot.phase, "ended");
  assert.equal(bench.responses.length, count);
});

test("ended while the microphone is being asked for: what comes then is given back", async () => {
  for (const type of ["capabilities", "start", "offer"]) {
    const bench = new Bench();
    bench.devices.isHeld = true;
    const offer = pack({ type: "offer", sdp: "4" });
    void bench.session.handle({ corrId: 8, command: { type, media: "video", aesKey: KEY, offer, iceCandidates: pack([]) } });
    await settle();
    assert.deepEqual(await bench.command({ type: "end" }), { type: "ok" });
    bench.devices.release();
    await settle();
    await bench.clock.advance(1000);
    assert.equal(bench.responses.find(({ corrId }) => corrId === 8).resp.code, "ended");
    assert.equal(bench.shot.phase, "ended");
    assert.equal(bench.devices.tracks.filter(({ isStopped }) => !isStopped).length, 0);
    assert.equal(bench.connections.filter(({ isClosed }) => !isClosed).length, 0);
  }
});

test("a new call in the same page: the first is closed, nothing of it is left", async () => {
  const bench = await new Bench().connected();
  const [first] = bench.connections;
  assert.equal((await bench.start()).type, "offer");
  assert.equal(first?.isClosed, true);
  first?.become("failed");
  await settle();
  assert.equal(bench.shot.phase, "connecting");
  assert.equal(bench.shot.connectedAt, null);
  assert.equal(bench.devices.open("audio").length, 1);
});

test("what a call before still waits for does not touch the new one", async () => {
  for (const aesKey of [KEY, undefined]) {
    for (const isAsking of [true, false]) {
      const bench = new Bench();
      bench.devices.isHeld = isAsking;
      bench.isWorkerSilent = true;
      void bench.session.handle({ corrId: 9, command: { type: "start", media: "audio", aesKey } });
      await settle();
      bench.isWorkerSilent = false;
      void bench.session.handle({ corrId: 10, command: { type: "capabilities", media: "audio" } });
      bench.devices.release();
      await settle();
      await bench.clock.advance(60_000);
      const answer = (/** @type {number} */ id) => bench.responses.find(({ corrId }) => corrId === id).resp;
      assert.deepEqual([answer(9).type, answer(9).code], ["error", "ended"]);
      assert.equal(answer(10).type, "capabilities");
      assert.equal(bench.shot.phase, "waiting");
      assert.equal(bench.devices.open("audio").length, 1);
      assert.deepEqual(bench.connections.filter(({ isClosed }) => !isClosed), []);
    }
  }
});

test("the microphone is asked for before the camera", async () => {
  const bench = new Bench();
  await bench.start();
  assert.deepEqual(bench.devices.tracks.map(({ kind }) => kind), ["audio", "video"]);
});

test("a description that the engine refuses, or nobody can read, ends the call with an error", async () => {
  for (const offer of [pack({ type: "offer", sdp: "broken" }), "%%%", pack("text")]) {
    const bench = new Bench();
    await bench.capabilities();
    const resp = await bench.offer({ offer });
    assert.deepEqual([resp.type, resp.code], ["error", "setup-failed"]);
    assert.equal(bench.shot.phase, "failed");
    assert.equal(bench.devices.open("audio").length, 0);
  }
});

// What is only shown

test("the call, its words and layout are taken over for the view", async () => {
  const bench = new Bench();
  const others = [{ callId: "x", contactName: "Bob", media: "audio" }];
  await bench.command({ type: "call", call: { contactName: "Ada", media: "video", others } });
  await bench.command({ type: "description", state: "ringing", description: "…" });
  await bench.command({ type: "layout", layout: "remoteVideo" });
  await bench.command({ type: "permission", title: "T", chrome: "C", safari: "S" });
  assert.equal(bench.shot.call.contactName, "Ada");
  assert.deepEqual(bench.shot.call.others, others);
  assert.equal(bench.shot.description?.state, "ringing");
  assert.equal(bench.shot.layout, "remoteVideo");
  assert.equal(bench.shot.permission?.title, "T");
  bench.session.dismissPermission();
  assert.equal(bench.shot.permission, null);
  assert.equal((await bench.command({ type: "layout", layout: "sideways" })).type, "error");
  assert.equal((await bench.command({ type: "call", call: null })).type, "error");
});

test("another call's banner: the answer goes to Python, the card goes", async () => {
  const bench = await new Bench().connected();
  const others = ["x", "y"].map((callId) => ({ callId, contactName: "Bob", media: "audio" }));
  await bench.command({ type: "call", call: { contactName: "Ada", others } });
  bench.session.rejectOther("x");
  assert.deepEqual(bench.responses.at(-1), { resp: { type: "reject", callId: "x" } });
  assert.deepEqual(bench.shot.call.others?.map(({ callId }) => callId), ["y"]);
  bench.session.acceptOther("y");
  assert.deepEqual(bench.responses.at(-1), { resp: { type: "accept", callId: "y" } });
  assert.deepEqual(bench.shot.call.others, []);
});

test("a yes to a call without frame encryption is said once, and only where it is asked for", async () => {
  const bench = new Bench();
  await bench.command({ type: "capabilities", media: "audio" });
  const said = bench.responses.length;
  bench.session.consent();
  await bench.command({ type: "call", call: { contactName: "Ada", consentWanted: "anything" } });
  bench.session.consent();
  assert.deepEqual(bench.responses.slice(said).map(({ resp }) => resp.type), ["ok"]);
  await bench.command({ type: "call", call: { contactName: "Ada", consentWanted: "theirs" } });
  bench.session.consent();
  bench.session.consent();
  assert.deepEqual(bench.responses.slice(said + 2), [{ resp: { type: "consent" } }]);
  assert.equal(bench.shot.call.consentWanted, "");
});

test("another call that their app does not encrypt is taken after a question only", async () => {
  const bench = await new Bench().connected();
  const others = [{ callId: "x", contactName: "Bob", media: "audio", encrypted: false }];
  await bench.command({ type: "call", call: { contactName: "Ada", others } });
  const said = bench.responses.length;
  bench.session.acceptOther("x");
  assert.equal(bench.responses.length, said);
  assert.equal(bench.shot.askedOther, "x");
  assert.equal(bench.shot.call.others?.length, 1);
  // the question stays while Python tells the call anew
  await bench.command({ type: "call", call: { contactName: "Ada", others } });
  assert.equal(bench.shot.askedOther, "x");
  bench.session.acceptOther("x", true);
  assert.deepEqual(bench.responses.at(-1), { resp: { type: "accept", callId: "x", unencrypted: true } });
  assert.deepEqual(bench.shot.call.others, []);
});

test("what is no command is answered with an error", async () => {
  const bench = new Bench();
  assert.deepEqual(await bench.command({ type: "dance" }), { type: "error", message: "unknown command" });
  assert.equal((await bench.command(null)).type, "error");
  await bench.session.handle({});
  assert.equal(bench.responses.at(-1).resp.type, "error");
});

// A call without SimpleX: people carry the two descriptions

/** Sends a command of such a call, for which the page takes its time. @param {Bench} bench @param {any} command */
async function patient(bench, command) {
  const answered = bench.command(command);
  await settle();
  await bench.clock.advance(ALL_MS);
  return answered;
}

test("started without a key: all candidates are in the offer, and nothing is sent before the answer brings the key", async () => {
  const bench = new Bench();
  const offer = await patient(bench, { type: "start", media: "video", iceServers: [], keyLater: true, complete: true });
  assert.equal(offer.type, "offer");
  assert.deepEqual(bench.sent(), [null, null, null, null]);
  assert.equal(bench.shot.encrypted, true);
  // the user is free to mute and unmute while the text is on its way
  assert.equal((await bench.command({ type: "media", source: "mic", enable: false })).type, "ok");
  assert.equal((await bench.command({ type: "media", source: "mic", enable: true })).type, "ok");
  await bench.clock.advance(CONNECT_MS * 10);
  assert.equal(bench.shot.phase, "connecting");
  const answer = { type: "answer", answer: pack({ type: "answer", sdp: "4" }), iceCandidates: pack([]), aesKey: KEY };
  assert.equal((await bench.command(answer)).type, "ok");
  assert.deepEqual(bench.sent(), ["audio", "video", null, null]);
});

test("… an answer without a key that can be used ends it", async () => {
  const bench = new Bench();
  await patient(bench, { type: "start", media: "audio", iceServers: [], keyLater: true, complete: true });
  const resp = await bench.answer();
  assert.equal(resp.type, "error");
  assert.equal(bench.shot.phase, "failed");
});

test("an answer tells what the page can do, if it was not asked before", async () => {
  const bench = new Bench();
  assert.deepEqual((await bench.offer()).capabilities, { encryption: true, features: FEATURES });
  const prepared = new Bench();
  await prepared.capabilities();
  assert.equal((await prepared.offer()).capabilities, undefined);
});

test("an answer that people carry has its time: ways are tried again, and none is given up", async () => {
  const bench = new Bench();
  await patient(bench, {
    type: "offer",
    offer: pack({ type: "offer", sdp: "4" }),
    iceCandidates: pack([{ candidate: "theirs" }]),
    media: "audio",
    aesKey: KEY,
    complete: true,
  });
  const tried = () => bench.connection.remoteCandidates.length;
  const before = tried();
  bench.connection.become("failed");
  await bench.clock.advance(RENEW_MS * 20);
  assert.equal(tried(), before + 20);
  assert.equal(bench.shot.phase, "connecting");
  bench.connection.become("connected");
  await settle();
  assert.equal(bench.shot.phase, "connected");
  const after = tried();
  await bench.clock.advance(RENEW_MS * 3);
  assert.equal(tried(), after);
  bench.connection.become("failed");
  await bench.clock.advance(LOST_MS);
  assert.equal(bench.shot.phase, "failed");
});

test("what there is to pass on is shown, and outlives the call's beginning", async () => {
  const bench = new Bench();
  assert.equal((await bench.command({ type: "paste", step: "unheard" })).type, "error");
  const paste = { step: "offered", text: "{}", codes: [{ size: 21, path: "M0 0" }], problem: "own", parts: { read: 1, count: 2 }, relayOnly: true };
  assert.equal((await bench.command({ type: "paste", ...paste })).type, "ok");
  assert.deepEqual(bench.shot.paste, paste);
  await bench.start();
  assert.deepEqual(bench.shot.paste, paste);
  bench.session.pasteStart("video");
  bench.session.paste("a text");
  assert.deepEqual(bench.said("pasteStart")[0].resp, { type: "pasteStart", media: "video" });
  assert.deepEqual(bench.said("paste")[0].resp, { type: "paste", text: "a text" });
});

// The in-call channel

/** Two pages in one call: what each says reaches the other. */
async function channelCall() {
  const [caller, called] = [new Bench(), new Bench()];
  await caller.capabilities();
  await called.start({ features: ["channel", "unknown"] });
  await caller.offer({ features: ["channel"] });
  await called.answer();
  const [one, other] = [caller.connection.channels[0], called.connection.channels[0]];
  assert.ok(one && other);
  [one.other, other.other] = [other, one];
  for (const channel of [one, other]) channel.become("open");
  for (const bench of [caller, called]) bench.connection.become("connected");
  await until(() => caller.shot.peerIsExact && called.shot.peerIsExact);
  return { caller, called };
}

test("where there is no call code, the panel says why", async () => {
  const details = async (/** @type {object} */ more) => {
    const bench = new Bench();
    await bench.start(more);
    await bench.answer();
    bench.connection.become("connected");
    await until(() => bench.shot.protectionDetails);
    await until(() => bench.shot.protectionDetails?.codeState !== "pending");
    return bench.shot.protectionDetails;
  };
  assert.equal((await details({}))?.codeState, "peer");
  assert.equal((await details({ features: [CODE_FEATURE] }))?.codeState, "no-binding");
  // the descriptions of these connections have no fingerprints
  const binding = Buffer.alloc(32).toString("base64url");
  assert.equal((await details({ features: [CODE_FEATURE], binding }))?.codeState, "failed");
  const plain = await details({ features: [CODE_FEATURE], binding, aesKey: undefined });
  assert.deepEqual([plain?.codeState, plain?.scheme, plain?.canEncrypt], ["no-frames", "transport", true]);
});

test("a peer that says nothing of a channel gets none, and neither does one without frame encryption", async () => {
  for (const more of [{}, { features: [CODE_FEATURE] }, { features: "channel" }, { features: ["channel"], aesKey: undefined }]) {
    const bench = new Bench();
    await bench.start(more);
    assert.deepEqual(bench.connection.channels, []);
    const caller = new Bench();
    await caller.offer(more);
    assert.deepEqual(caller.connection.channels, []);
  }
});

test("the channel is agreed on in advance, and is there before the offer and the answer", async () => {
  const { caller, called } = await channelCall();
  for (const bench of [caller, called]) {
    const [channel] = bench.connection.channels;
    assert.deepEqual({ .../** @type {any} */ (channel), other: null, sent: [] }.negotiated, true);
    assert.equal(/** @type {any} */ (channel).id, 0);
    assert.equal(bench.shot.canChat, true);
  }
});

test("the peer's sources are by its own word, and no longer inferred", async () => {
  const { caller, called } = await channelCall();
  assert.deepEqual(called.shot.peer, caller.shot.local);
  await caller.command({ type: "media", source: "mic", enable: false });
  await until(() => !called.shot.peer.mic);
  const told = called.said("peerMedia").filter(({ resp }) => resp.source === "mic");
  assert.deepEqual(told.map(({ resp }) => resp.enabled), [true, false]);
  called.connection.report = statsReport({ audioBytes: 50 });
  await called.clock.advance(STATS_MS);
  assert.equal(called.shot.peer.mic, false, "bytes on their way say nothing");
  called.connection.channels[0]?.become("close");
  assert.deepEqual([called.shot.peer.mic, called.shot.peerIsExact, called.shot.canChat], [true, false, false]);
});

test("texts and reactions go to the other page", async () => {
  const { caller, called } = await channelCall();
  assert.equal(caller.session.sendText("hello"), true);
  assert.equal(called.session.react("👏"), true);
  await until(() => called.shot.messages.length === 1 && caller.shot.reactions.length === 1);
  assert.equal(called.shot.messages[0]?.text, "hello");
  assert.equal(new Bench().session.sendText("hello"), false);
  assert.equal(new Bench().session.react("👏"), false);
});

test("the end is known at once at the other page; ours keeps the channel just long enough, and no device", async () => {
  const { caller, called } = await channelCall();
  caller.session.hangUp();
  assert.equal(caller.devices.open("audio").length + caller.devices.open("video").length, 0);
  assert.equal(caller.connection.isClosed, false);
  await until(() => called.shot.phase === "ended");
  assert.deepEqual(called.said("end").length, 1);
  await caller.clock.advance(1000);
  assert.equal(caller.connection.isClosed, true);
  assert.equal(caller.workers[0]?.isTerminated, true);
  assert.equal(caller.shot.canChat, false);
  caller.connection.become("closed");
  assert.equal(caller.said("ended").length, 0);
});

test("where the key comes with the answer, the channel is there before, and begins with it", async () => {
  const bench = new Bench();
  await bench.start({ aesKey: undefined, keyLater: true });
  const [channel] = bench.connection.channels;
  assert.ok(channel);
  channel.become("open");
  assert.equal(bench.shot.canChat, false);
  await bench.command({
    type: "answer", answer: pack({ type: "answer", sdp: "4" }), iceCandidates: pack([]), aesKey: KEY, features: ["channel"],
  });
  assert.equal(bench.shot.canChat, true);
  const other = new Bench();
  await other.start({ aesKey: undefined, keyLater: true });
  await other.command({ type: "answer", answer: pack({ type: "answer", sdp: "4" }), iceCandidates: pack([]), aesKey: KEY });
  other.connection.channels[0]?.become("open");
  assert.equal(other.shot.canChat, false, "the peer does not know of it");
});
