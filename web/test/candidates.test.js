// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_MS, CandidateGroups, FIRST_MS, GROUP_MS, SETTLE_MS } from "../static/call/candidates.js";
import { FakeClock } from "./support/fakes.js";

/** @returns {{clock: FakeClock, groups: CandidateGroups, sent: string[][]}} */
function build() {
  const clock = new FakeClock();
  /** @type {string[][]} */
  const sent = [];
  const groups = new CandidateGroups(clock, (group) => sent.push(names(group)));
  return { clock, groups, sent };
}

const candidate = (/** @type {string} */ name) => ({ candidate: name });
const names = (/** @type {RTCIceCandidateInit[]} */ group) => group.map((one) => one.candidate ?? "");

test("the first group closes a moment after its first candidate", async () => {
  const { clock, groups } = build();
  const first = groups.first();
  await clock.advance(5);
  groups.add(candidate("a"));
  await clock.advance(SETTLE_MS - 1);
  groups.add(candidate("b"));
  await clock.advance(1);
  assert.deepEqual(names(await first), ["a", "b"]);
});

test("candidates from before it was asked for are in it", async () => {
  const { clock, groups } = build();
  groups.add(candidate("a"));
  const first = groups.first();
  await clock.advance(SETTLE_MS);
  assert.deepEqual(names(await first), ["a"]);
});

test("candidates from long before it was asked for are it", async () => {
  const { clock, groups, sent } = build();
  groups.add(candidate("a"));
  await clock.advance(SETTLE_MS);
  groups.add(candidate("b"));
  assert.deepEqual(names(await groups.first()), ["a", "b"]);
  groups.add(candidate("c"));
  await clock.advance(GROUP_MS);
  assert.deepEqual(sent, [["c"]]);
});

test("without a candidate it is empty after a while", async () => {
  const { clock, groups, sent } = build();
  const first = groups.first();
  await clock.advance(FIRST_MS);
  assert.deepEqual(await first, []);
  assert.deepEqual(sent, []);
});

test("it closes at once when there are no more", async () => {
  const { groups, clock } = build();
  const first = groups.first();
  groups.add(candidate("a"));
  groups.complete();
  assert.deepEqual(names(await first), ["a"]);
  assert.equal(clock.pending, 0);
});

test("gathering that was complete before it was asked for", async () => {
  const { groups } = build();
  groups.add(candidate("a"));
  groups.complete();
  assert.deepEqual(names(await groups.first()), ["a"]);
});

test("later candidates follow in groups, the last one at once", async () => {
  const { clock, groups, sent } = build();
  const first = groups.first();
  await clock.advance(FIRST_MS);
  await first;
  groups.add(candidate("a"));
  await clock.advance(GROUP_MS / 2);
  groups.add(candidate("b"));
  assert.deepEqual(sent, []);
  await clock.advance(GROUP_MS / 2);
  groups.add(candidate("c"));
  groups.complete();
  assert.deepEqual(sent, [["a", "b"], ["c"]]);
  await clock.advance(1000);
  assert.equal(sent.length, 2);
});

test("closed, it sends nothing more and leaves no timer", async () => {
  const { clock, groups, sent } = build();
  const first = groups.first();
  groups.close();
  groups.add(candidate("a"));
  assert.deepEqual(await first, []);
  await clock.advance(1000);
  assert.deepEqual(sent, []);
  assert.equal(clock.pending, 0);
});

test("where nothing can follow, the first group waits for all", async () => {
  const { clock, groups } = build();
  const first = groups.first(true);
  groups.add(candidate("a"));
  await clock.advance(ALL_MS - 1);
  groups.add(candidate("b"));
  groups.complete();
  assert.deepEqual(names(await first), ["a", "b"]);
});

test("… but not for ever", async () => {
  const { clock, groups } = build();
  const first = groups.first(true);
  groups.add(candidate("a"));
  await clock.advance(ALL_MS);
  assert.deepEqual(names(await first), ["a"]);
});
