// @ts-check
/** How loud a track is, by Web Audio. Shell. */

/**
 * @param {() => AudioContext} createContext
 * @returns {(track: MediaStreamTrack) => import("./session.js").Meter}
 */
export function meters(createContext) {
  /** One for all: an engine allows a page only some of them. @type {AudioContext | null} */
  let shared = null;
  return (track) => {
    try {
      shared ??= createContext();
    } catch {
      return { level: () => null, close: () => {} };
    }
    const context = shared;
    const source = context.createMediaStreamSource(new MediaStream([track]));
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    const samples = new Float32Array(analyser.fftSize);
    source.connect(analyser);
    return {
      level: () => {
        // it starts when the user has touched the page, in engines that ask for that
        if (context.state === "suspended") void context.resume().catch(() => {});
        if (context.state !== "running") return null;
        analyser.getFloatTimeDomainData(samples);
        return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
      },
      close: () => source.disconnect(),
    };
  };
}
