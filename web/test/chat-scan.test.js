// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { QrReader, ReaderError } from "../static/chat/qr-reader.js";
import { cameraProblem, fit, sizes, wantedText } from "../static/chat/scan-model.js";

const pixels = () => ({ data: new Uint8ClampedArray(4), width: 1, height: 1 });

/** Workers that answer when the test says so. */
function bench() {
  /** @type {any[]} */
  const workers = [];
  const reader = new QrReader(() => {
    const worker = {
      /** @type {Record<string, (event: any) => void>} */
      listeners: {},
      /** @type {any[]} */
      asked: [],
      isEnded: false,
      addEventListener: (/** @type {string} */ name, /** @type {any} */ listener) => { worker.listeners[name] = listener; },
      postMessage: (/** @type {any} */ message) => worker.asked.push(message),
      terminate: () => { worker.isEnded = true; },
    };
    workers.push(worker);
    return worker;
  });
  return { reader, workers };
}

test("answers come to who asked, in any order, by one worker", async () => {
  const { reader, workers } = bench();
  assert.equal(workers.length, 0, "none before it is needed");
  const [one, other] = [reader.read(pixels()), reader.read(pixels())];
  const [first, second] = workers[0].asked;
  workers[0].listeners.message({ data: { id: second.id, text: "b" } });
  workers[0].listeners.message({ data: { id: first.id, text: null } });
  assert.deepEqual([await one, await other, workers.length], [null, "b", 1]);
});

test("a reader that is stopped finds nothing any more, and begins anew", async () => {
  const { reader, workers } = bench();
  const reading = reader.read(pixels());
  reader.stop();
  assert.equal(await reading, null);
  assert.equal(workers[0].isEnded, true);
  const again = reader.read(pixels());
  workers[1].listeners.message({ data: { id: workers[1].asked[0].id, text: "x" } });
  assert.equal(await again, "x");
});

test("a worker that cannot be loaded is told of", async () => {
  const { reader, workers } = bench();
  const reading = reader.read(pixels());
  workers[0].listeners.error({});
  await assert.rejects(reading, ReaderError);
  const again = reader.read(pixels());
  // what an earlier worker says does not concern the next
  workers[0].listeners.error({});
  workers[1].listeners.message({ data: { id: workers[1].asked[0].id, text: "x" } });
  assert.equal(await again, "x");
});

test("links and codes are told from what else is in QR codes", () => {
  for (const link of [
    "simplex:/invitation#/?v=2-7&smp=x", "https://simplex.chat/contact#/?v=2", "https://smp1.example/i#abc/def",
    " https://127.0.0.1/a#KEY?p=5331&c=x\n", "simplex:/a#x?h=y",
  ]) {
    assert.equal(wantedText(link, "link"), link.trim());
  }
  for (const text of ["https://example.org/", "http://simplex.chat/contact#/?v=2", "12345 67890", "WIFI:S:x;;", "simplex:/a#x y", ""]) {
    assert.equal(wantedText(text, "link"), null, text);
  }
  assert.equal(wantedText("12345 67890 12345", "code"), "12345 67890 12345");
  for (const text of ["12345", "12345 67890 x", "https://simplex.chat/contact#/?v=2", "1".repeat(300)]) assert.equal(wantedText(text, "code"), null, text);
});

test("whatever keeps the camera away has words", () => {
  const texts = JSON.parse(readFileSync(new URL("../../app/simplex_calls/locales/en/contact.json", import.meta.url), "utf8"));
  const ids = ["NotAllowedError", "NotFoundError", "NotReadableError", "TypeError"].map((name) => cameraProblem(new DOMException("", name)));
  assert.deepEqual(ids, ["chat.scan.refused", "chat.scan.absent", "chat.scan.busy", "chat.scan.absent"]);
  assert.equal(cameraProblem(undefined), "chat.scan.absent");
  for (const id of ids) assert.ok(texts[id], id);
});

test("pictures are made smaller, never larger", () => {
  assert.deepEqual(fit(4000, 3000, 800), { width: 800, height: 600 });
  assert.deepEqual(fit(40, 3000, 800), { width: 11, height: 800 });
  assert.deepEqual(fit(100, 1, 800), { width: 100, height: 1 });
  assert.deepEqual(sizes(4000, 3000).map(({ width }) => width), [800, 1600, 400]);
  assert.deepEqual(sizes(300, 200), [{ width: 300, height: 200 }]);
});

test("servers' addresses are told from other codes", () => {
  const code = "smp://abc=@h:5223\nstun:h:3478\nturn::secret@h:3478?transport=udp\n";
  assert.equal(wantedText(code, "servers"), code.trim());
  for (const text of ["", "hello", `${code}hello`, "https://simplex.chat/invitation#x"]) assert.equal(wantedText(text, "servers"), null);
});
