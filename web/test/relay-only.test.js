// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { relayed, withoutAddresses } from "../static/call/relay-only.js";

const RELAY = "candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 198.51.100.7 rport 4242 generation 0";
const HOST = "candidate:2 1 udp 2122260223 192.168.1.7 50001 typ host generation 0";
const SEEN = "candidate:3 1 udp 1686052607 198.51.100.7 50002 typ srflx raddr 192.168.1.7 rport 50001";

test("of candidates, those of relays are told, without what is behind them", () => {
  assert.deepEqual(relayed({ candidate: RELAY, sdpMid: "0" }), {
    candidate: "candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 0.0.0.0 rport 0 generation 0", sdpMid: "0",
  });
  for (const candidate of [HOST, SEEN, HOST.replace("192.168.1.7", "3f.local"), "candidate:1", "", undefined]) {
    assert.equal(relayed({ candidate }), null);
  }
});

test("of a description, no address is told but relays'", () => {
  const lines = [
    "v=0", "o=- 1 2 IN IP4 192.168.1.7", "m=audio 50002 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 198.51.100.7", "a=rtcp:9 IN IP6 2001:db8::7",
    `a=${HOST}`, `a=${SEEN}`, `a=${RELAY}`, "a=ice-ufrag:x", "",
  ];
  const told = withoutAddresses(lines.join("\r\n")).split("\r\n");
  assert.deepEqual(told, [
    "v=0", "o=- 1 2 IN IP4 0.0.0.0", "m=audio 50002 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
    "a=candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 0.0.0.0 rport 0 generation 0", "a=ice-ufrag:x", "",
  ]);
});
