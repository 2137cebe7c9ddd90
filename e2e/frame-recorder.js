// Put before the worker of the call page: keeps what goes into and comes out of the transforms that it makes.
const NativeTransformStream = globalThis.TransformStream;
const MOST = 4000;
const base64 = (data) => btoa(String.fromCharCode(...new Uint8Array(data)));

globalThis.e2eFrames = [];
globalThis.TransformStream = class extends NativeTransformStream {
  constructor(transformer, ...rest) {
    const recording = {
      ...transformer,
      transform(frame, controller) {
        const record = { type: frame.type ?? "audio", size: frame.data.byteLength, before: frame.data.slice(0), after: null };
        if (globalThis.e2eFrames.length < MOST) globalThis.e2eFrames.push(record);
        return transformer.transform(frame, {
          enqueue(changed) {
            record.after = changed.data.slice(0);
            controller.enqueue(changed);
          },
        });
      },
    };
    super(recording, ...rest);
  }
};
// as texts, for those who ask from outside
globalThis.e2eRecorded = () =>
  globalThis.e2eFrames.map(({ type, before, after }) => [type, base64(before), after && base64(after)]);
