// @ts-check
/** Three notes on a speaker. Shell; loaded with settings-view.js. */

/** In hertz. */
const NOTES = [523, 659, 784];
const NOTE_S = 0.28;
const LOUDNESS = 0.2;

/**
 * @param {string | null} speaker  null: the system's choice
 * @returns {Promise<void>}  fulfilled when it is over
 */
export async function playTestSound(speaker) {
  const context = new AudioContext();
  try {
    const destination = context.createMediaStreamDestination();
    const audio = new Audio();
    audio.srcObject = destination.stream;
    // a speaker that has just gone: the system's choice plays
    if (speaker !== null) await audio.setSinkId?.(speaker).catch(() => {});
    await context.resume();
    await audio.play();
    await notes(context, destination);
    audio.srcObject = null;
  } finally {
    await context.close();
  }
}

/**
 * @param {AudioContext} context
 * @param {AudioNode} destination
 * @returns {Promise<void>}
 */
function notes(context, destination) {
  return new Promise((resolve) => {
    for (const [index, frequency] of NOTES.entries()) {
      const start = context.currentTime + 0.05 + index * NOTE_S;
      const gain = context.createGain();
      // without a rise and a fall a note begins and ends with a click
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
      gain.gain.linearRampToValueAtTime(0, start + NOTE_S);
      const note = context.createOscillator();
      note.frequency.value = frequency;
      note.connect(gain).connect(destination);
      note.start(start);
      note.stop(start + NOTE_S);
      if (index === NOTES.length - 1) note.addEventListener("ended", () => resolve());
    }
  });
}
