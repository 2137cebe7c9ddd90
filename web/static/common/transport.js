// @ts-check
/**
 * The messages between a page and Python: JSON objects, in order, the same over both carriers.
 *
 * - `websocket` (an ordinary browser): a WebSocket at `/ws`, one message a text frame.
 * - `webview` (the window): page → Python by `pywebview.api.post(text)`, Python → page by
 *   `simplexCalls.receive(text)`, where `text` is the JSON of one message.
 *
 * On both, the page's first message is `{"session": "…"}`: it says which page speaks, and that it can be spoken to.
 * Python sends nothing before it.
 */

/** @typedef {Record<string, any>} Message */

/**
 * @typedef {object} Transport
 * @property {(message: Message) => void} send  Sends a message; those sent before the connection stands wait for it.
 */

/**
 * What a page's template says about its transport; the secret is taken out of the document.
 *
 * @param {Document} page
 * @returns {{kind: string, session: string}}
 */
function settings(page) {
  const read = (/** @type {string} */ name) =>
    page.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? "";
  const found = { kind: read("transport"), session: read("session") };
  page.querySelector('meta[name="session"]')?.remove();
  return found;
}

/**
 * Connects the page with Python.
 *
 * @param {(message: Message) => void} onMessage  Called for every message, in order.
 * @param {() => void} onClosed  Called once, when nothing can be sent or received any more.
 * @returns {Transport}
 */
export function connect(onMessage, onClosed) {
  const { kind, session } = settings(document);
  return kind === "webview"
    ? connectWebview(window, session, onMessage, onClosed)
    : connectWebSocket(() => new WebSocket(`ws://${location.host}/ws`), session, onMessage, onClosed);
}

/**
 * @param {(message: Message) => void} onMessage
 * @param {unknown} text
 */
function deliver(onMessage, text) {
  /** @type {unknown} */
  let message;
  try {
    message = JSON.parse(String(text));
  } catch {
    console.error("A message that is not JSON was ignored.");
    return;
  }
  if (typeof message === "object" && message !== null) onMessage(/** @type {Message} */ (message));
}

/**
 * @param {() => WebSocket} open
 * @param {string} session
 * @param {(message: Message) => void} onMessage
 * @param {() => void} onClosed
 * @returns {Transport}
 */
export function connectWebSocket(open, session, onMessage, onClosed) {
  const socket = open();
  /** @type {string[]} */
  const waiting = [JSON.stringify({ session })];
  let isOpen = false;
  socket.addEventListener("open", () => {
    isOpen = true;
    for (const text of waiting.splice(0)) socket.send(text);
  });
  socket.addEventListener("message", (event) => deliver(onMessage, event.data));
  socket.addEventListener("close", () => onClosed(), { once: true });
  return {
    send(message) {
      const text = JSON.stringify(message);
      if (isOpen) socket.send(text);
      else waiting.push(text);
    },
  };
}

/**
 * @param {Window} page
 * @param {string} session
 * @param {(message: Message) => void} onMessage
 * @param {() => void} onClosed
 * @returns {Transport}
 */
export function connectWebview(page, session, onMessage, onClosed) {
  /** @type {string[]} */
  const waiting = [JSON.stringify({ session })];
  let isSending = false;
  let isClosed = false;
  page.simplexCalls = { receive: (text) => deliver(onMessage, text) };

  // Python takes every call in a thread of its own, so the next message leaves only when the last one has arrived.
  async function sendWaiting() {
    const api = page.pywebview?.api;
    if (isSending || isClosed || !api?.post) return;
    isSending = true;
    try {
      for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) await api.post(text);
    } catch {
      isClosed = true;
      onClosed();
    } finally {
      isSending = false;
    }
  }

  page.addEventListener("pywebviewready", () => void sendWaiting());
  void sendWaiting();
  return {
    send(message) {
      if (isClosed) return;
      waiting.push(JSON.stringify(message));
      void sendWaiting();
    },
  };
}
