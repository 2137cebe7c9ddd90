// @ts-check
/**
 * Blurs the background of a camera's pictures, beside the page so that it goes on. A plain worker, not a module: the
 * model's program is a plain script. It alone may run WebAssembly, by the policy that it is served with.
 *
 * In: `{type: "start", readable, writable}`, streams of VideoFrames; or `{type: "start"}`, and `{type: "frame", frame,
 * width, height}` for each `{type: "want"}`. Out: `{type: "on"}` once the person is told from the background (all is
 * blurred until then), `{type: "pace", isReduced}`, `{type: "failed", message}`, `{type: "picture", picture}`.
 */

/**
 * @typedef {object} Model  a program of TensorFlow Lite
 * @property {Uint8Array} HEAPU8
 * @property {Float32Array} HEAPF32
 * @property {() => number} _getModelBufferMemoryOffset
 * @property {(length: number) => number} _loadModel
 * @property {() => number} _getInputMemoryOffset
 * @property {() => number} _getOutputMemoryOffset
 * @property {() => number} _getInputWidth
 * @property {() => number} _getInputHeight
 * @property {() => number} _runInference
 */
(() => {
  /** Of the model's input. */
  const [WIDTH, HEIGHT] = [256, 144];
  const RADIUS = 7;
  const VENDOR = new URL("../vendor/", location.href);

  /** What the model's program finds and makes here. @type {any} */
  const scope = self;
  const core = import("./blur-core.js");
  const post = (/** @type {any} */ message, /** @type {Transferable[]} */ transfer = []) => self.postMessage(message, { transfer });
  const fail = (/** @type {unknown} */ error) => post({ type: "failed", message: String(error) });

  async function loadModel() {
    const loading = fetch(new URL("selfie_segmentation_landscape.tflite", VENDOR));
    scope.importScripts(String(new URL("tflite-simd.js", VENDOR)));
    /** @type {Model} */
    const model = await scope.createTwilioTFLiteSIMDModule({
      // it tells what it runs on; what fails is told by rejecting
      printErr: () => {},
      locateFile: () => String(new URL("tflite-simd.wasm", VENDOR)),
    });
    const response = await loading;
    if (!response.ok) throw new Error("the model cannot be loaded");
    const bytes = new Uint8Array(await response.arrayBuffer());
    model.HEAPU8.set(bytes, model._getModelBufferMemoryOffset());
    model._loadModel(bytes.length);
    if (model._getInputWidth() !== WIDTH || model._getInputHeight() !== HEIGHT) throw new Error("the model is another one");
    return model;
  }

  /** @param {number} width @param {number} height @param {CanvasRenderingContext2DSettings} [settings] */
  function canvas(width, height, settings) {
    const made = new OffscreenCanvas(width, height);
    const context = made.getContext("2d", settings);
    if (!context) throw new Error("there is no canvas");
    return context;
  }

  class Painter {
    #core;
    /** @type {Model | null} */
    model = null;
    #mask = new Float32Array(WIDTH * HEIGHT);
    #small = canvas(WIDTH, HEIGHT, { willReadFrequently: true });
    #outline = canvas(WIDTH, HEIGHT);
    #person = canvas(2, 2);
    #out = canvas(2, 2, { alpha: false });

    /** @param {Awaited<typeof core>} loaded */
    constructor(loaded) {
      this.#core = loaded;
    }

    /**
     * @param {CanvasImageSource} picture
     * @param {number} width  of what comes out
     * @param {number} height
     */
    paint(picture, width, height) {
      for (const { canvas: one } of [this.#person, this.#out]) {
        if (one.width !== width || one.height !== height) Object.assign(one, { width, height });
      }
      this.#small.drawImage(picture, 0, 0, WIDTH, HEIGHT);
      const image = this.#small.getImageData(0, 0, WIDTH, HEIGHT);
      if (this.model) this.#findPerson(this.model, image.data);
      this.#core.toAlpha(this.#mask, image.data);
      this.#outline.putImageData(image, 0, 0);
      this.#core.blurBackground(image.data, this.#mask, WIDTH, RADIUS);
      this.#small.putImageData(image, 0, 0);
      this.#out.drawImage(this.#small.canvas, 0, 0, width, height);
      if (this.model) {
        this.#person.globalCompositeOperation = "copy";
        this.#person.drawImage(this.#outline.canvas, 0, 0, width, height);
        this.#person.globalCompositeOperation = "source-in";
        this.#person.drawImage(picture, 0, 0, width, height);
        this.#out.drawImage(this.#person.canvas, 0, 0);
      }
      return this.#out.canvas;
    }

    /** @param {Model} model @param {Uint8ClampedArray} pixels */
    #findPerson(model, pixels) {
      const count = WIDTH * HEIGHT;
      const input = model._getInputMemoryOffset() / 4;
      this.#core.toInput(pixels, model.HEAPF32.subarray(input, input + count * 3));
      model._runInference();
      const output = model._getOutputMemoryOffset() / 4;
      this.#core.follow(this.#mask, model.HEAPF32.subarray(output, output + count));
    }
  }

  /** @param {{readable?: ReadableStream<VideoFrame>, writable?: WritableStream<VideoFrame>}} streams */
  async function start({ readable, writable }) {
    const loaded = await core;
    const painter = new Painter(loaded);
    const pace = new loaded.Pace();
    void loadModel().then((model) => {
      painter.model = model;
      post({ type: "on" });
    }, fail);

    let wasReduced = false;
    /** @param {CanvasImageSource} picture @param {number} width @param {number} height */
    function paint(picture, width, height) {
      const begun = performance.now();
      const size = loaded.sizeWithin(width, height, pace.step.height);
      const painted = painter.paint(picture, size.width, size.height);
      const done = () => {
        pace.done(performance.now() - begun, height);
        if (pace.isReduced === wasReduced) return;
        wasReduced = pace.isReduced;
        post({ type: "pace", isReduced: wasReduced });
      };
      return { painted, done };
    }

    if (readable && writable) {
      const blur = new TransformStream({
        /** @param {VideoFrame} frame @param {TransformStreamDefaultController<VideoFrame>} controller */
        transform(frame, controller) {
          try {
            if (!pace.isDue(performance.now())) return;
            const { painted, done } = paint(frame, frame.displayWidth, frame.displayHeight);
            controller.enqueue(new VideoFrame(painted, { timestamp: frame.timestamp }));
            done();
          } finally {
            frame.close();
          }
        },
      });
      // ends with the track
      void readable.pipeThrough(blur).pipeTo(writable).catch(fail);
      return;
    }
    const want = () => post({ type: "want" });
    self.addEventListener("message", ({ data: { type, frame, width, height } }) => {
      if (type !== "frame") return;
      const begun = performance.now();
      if (frame) {
        const { painted, done } = paint(frame, width, height);
        frame.close();
        const picture = painted.transferToImageBitmap();
        post({ type: "picture", picture }, [picture]);
        done();
      }
      // timers of a worker go on when its page is covered
      setTimeout(want, Math.max(0, 1000 / pace.step.rate - (performance.now() - begun)));
    });
    want();
  }

  self.addEventListener("message", ({ data }) => {
    if (data.type === "start") void start(data).catch(fail);
  });
})();
