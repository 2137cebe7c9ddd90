// What the pages find on `window` besides the browser's own things.

/** pywebview's JavaScript bridge: there once the `pywebviewready` event was fired. */
interface PywebviewBridge {
  api: {
    /** Hands one message (JSON text) to Python. Every call runs in a thread of its own over there. */
    post(text: string): Promise<void>;
    /** Keeps the window above all others; missing where the system leaves that to the user. */
    stayOnTop?(isOn: boolean): void;
  };
}

interface Window {
  pywebview?: PywebviewBridge;
  /** Where Python hands messages to a page in the window (see common/transport.js). */
  simplexCalls?: { receive(text: string): void };
}

/** The lz-string package, loaded as a plain script before the modules. */
declare const LZString: {
  compressToBase64(text: string): string;
  decompressFromBase64(text: string): string | null;
};

/** Chromium's (w3c/mediacapture-transform, in its first form): not in TypeScript's library. */
declare class MediaStreamTrackProcessor {
  constructor(options: { track: MediaStreamTrack; maxBufferSize?: number });
  readonly readable: ReadableStream<VideoFrame>;
}

declare class MediaStreamTrackGenerator extends MediaStreamTrack {
  constructor(options: { kind: "video" });
  readonly writable: WritableStream<VideoFrame>;
}
