// Put before the worker of the call page: counts what goes through the transforms that it makes, and keeps the first of it.
const NativeTransformStream = globalThis.TransformStream;
const MOST = 4000;
const base64 = (data) => btoa(String.fromCharCode(...new Uint8Array(data)));

globalThis.e2eFrames = [];
/** All of them, by what became of them; those without a byte are nobody's. */
globalThis.e2eCounts = { sent: { audio: 0, video: 0 }, received: { audio: 0, video: 0 }, dropped: { audio: 0, video: 0 } };
globalThis.TransformStream = class extends NativeTransformStream {
  constructor(transformer, ...rest) {
    const recording = {
      ...transformer,
      transform(frame, controller) {
        const record = { type: frame.type ?? "audio", size: frame.data.byteLength, before: frame.data.slice(0), after: null };
        if (globalThis.e2eFrames.length < MOST) globalThis.e2eFrames.push(record);
        const media = frame.type ? "video" : "audio";
        let became = "dropped";
        const done = transformer.transform(frame, {
          enqueue(changed) {
            record.after = changed.data.slice(0);
            became = record.after.byteLength > record.size ? "sent" : "received";
            controller.enqueue(changed);
          },
        });
        return done.then(() => {
          if (record.size > 0) globalThis.e2eCounts[became][media] += 1;
        });
      },
    };
    super(recording, ...rest);
  }
};
// as texts, for those who ask from outside
globalThis.e2eRecorded = () =>
  globalThis.e2eFrames.map(({ type, before, after }) => [type, base64(before), after && base64(after)]);
