// Put before the worker of the call page: sits in between and does to frames that arrive what an attacker might.
const NativeTransformStream = globalThis.TransformStream;
const EVERY = 5;
/** Sealed frames that this side has sent, and that have arrived. */
const [own, theirs] = [[], []];
/** What was tried, and how many of those came out of the cipher. */
const tried = { replayed: 0, reflected: 0, flipped: 0, cut: 0, invented: 0 };
globalThis.e2eTampered = { tried, passed: 0 };

function flipped(data) {
  const bytes = new Uint8Array(data.slice(0));
  bytes[Math.floor(Math.random() * bytes.length)] ^= 1 << Math.floor(Math.random() * 8);
  return bytes.buffer;
}

globalThis.TransformStream = class extends NativeTransformStream {
  constructor(transformer, ...rest) {
    let arrived = 0;
    /** Known once the first frame has come out. */
    let isOpening = false;
    const attempt = async (what, { type }, data) => {
      tried[what] += 1;
      await transformer.transform({ type, data }, { enqueue: () => (globalThis.e2eTampered.passed += 1) });
    };
    const tampering = {
      ...transformer,
      async transform(frame, controller) {
        const kind = frame.type ?? "audio";
        const before = frame.data.slice(0);
        if (isOpening && (arrived += 1) % EVERY === 0) {
          await attempt("flipped", frame, flipped(before));
          await attempt("cut", frame, before.slice(0, Math.ceil(before.byteLength / 2)));
          await attempt("invented", frame, crypto.getRandomValues(new Uint8Array(90)).buffer);
          const mirrored = own.findLast((one) => one.kind === kind);
          if (mirrored) await attempt("reflected", frame, mirrored.data.slice(0));
          const earlier = theirs.findLast((one) => one.kind === kind && one.of === tampering);
          if (earlier) await attempt("replayed", frame, earlier.data.slice(0));
        }
        await transformer.transform(frame, {
          enqueue(changed) {
            const grew = changed.data.byteLength - before.byteLength;
            if (grew > 0) own.push({ kind, data: changed.data.slice(0) });
            if (grew < 0) {
              isOpening = true;
              theirs.push({ kind, of: tampering, data: before });
            }
            for (const kept of [own, theirs]) if (kept.length > 200) kept.shift();
            controller.enqueue(changed);
          },
        });
      },
    };
    super(tampering, ...rest);
  }
};
