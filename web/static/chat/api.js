// @ts-check
/**
 * Asking Python: requests with numbers, answers by them. What can be asked, and the values that come, are described in
 * `app/simplex_calls/bridge/methods.py`; the types below are those values.
 *
 * @typedef {"audio" | "video"} Media
 *
 * @typedef {object} Profile
 * @property {string} displayName
 * @property {string} fullName
 *
 * @typedef {object} Contact
 * @property {number} id
 * @property {string} name  empty until it is known
 * @property {string} fullName
 * @property {"pending" | "connecting" | "connected" | "failed" | "gone"} status
 * @property {boolean} isConnected  texts and calls can go
 * @property {boolean} callsAllowed
 * @property {string | null} failure
 * @property {number} createdAt
 * @property {Item | null} lastItem
 *
 * @typedef {object} Item
 * @property {number} id
 * @property {number} contactId
 * @property {"text" | "call" | "notice"} kind
 * @property {"sent" | "received"} direction
 * @property {number} createdAt
 * @property {number | null} sentAt
 * @property {"sending" | "sent" | "failed" | null} delivery
 * @property {string | null} failure
 * @property {string} [text]
 * @property {string} [content]
 * @property {boolean} [edited]
 * @property {boolean} [deleted]
 * @property {Media} [media]
 * @property {string} [status]
 * @property {number | null} [duration]  seconds
 * @property {string} [notice]
 * @property {number} [count]
 *
 * @typedef {object} Call
 * @property {string} id
 * @property {number} contactId
 * @property {string} contactName
 * @property {Media} media
 * @property {"incoming" | "outgoing"} direction
 * @property {"calling" | "ringing" | "connecting" | "connected" | "ended"} state
 * @property {boolean} isActive
 * @property {boolean} hasPage
 * @property {number} startedAt
 * @property {number | null} connectedAt
 * @property {string | null} endReason
 * @property {string | null} failure
 *
 * @typedef {object} Server
 * @property {string} server
 * @property {boolean} isConnected
 *
 * @typedef {object} Invitation
 * @property {number | null} contactId
 * @property {string} link
 * @property {{size: number, path: string}} qr
 *
 * @typedef {object} Snapshot  what the method `state` gives
 * @property {Profile | null} profile
 * @property {Contact[]} contacts
 * @property {Call[]} calls
 * @property {Server[]} servers
 * @property {boolean} isIpExposureConfirmed
 * @property {"window" | "browser"} mode
 */

/** Methods that go over the network, and may take their time. */
const SLOW = new Set(["create_invitation", "connect", "delete_contact"]);
const SLOW_MS = 150_000;
const FAST_MS = 30_000;

/** A request that was refused, or had no answer; `text` is for the user and empty where there is none. */
export class RequestFailed extends Error {
  /**
   * @param {string} code
   * @param {string} text
   */
  constructor(code, text) {
    super(code);
    this.code = code;
    this.text = text;
  }
}

/**
 * @typedef {object} Clock
 * @property {(callback: () => void, delay: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

export class Api {
  #send;
  #clock;
  #lastId = 0;
  #isClosed = false;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: RequestFailed) => void, timer: unknown}>} */
  #waiting = new Map();

  /**
   * @param {(message: Record<string, any>) => void} send
   * @param {Clock} clock
   */
  constructor(send, clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /**
   * Asks, and gives the result.
   *
   * @param {string} method
   * @param {Record<string, any>} [params]
   * @returns {Promise<any>}  rejected with RequestFailed
   */
  request(method, params) {
    if (this.#isClosed) return Promise.reject(new RequestFailed("closed", ""));
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(
        () => this.#take(id)?.reject(new RequestFailed("timeout", "")),
        SLOW.has(method) ? SLOW_MS : FAST_MS,
      );
      this.#waiting.set(id, { resolve, reject, timer });
      this.#send(params ? { id, method, params } : { id, method });
    });
  }

  /**
   * Takes an answer to its request.
   *
   * @param {Record<string, any>} message
   * @returns {boolean}  whether it was an answer
   */
  receive(message) {
    if (!("id" in message) || "event" in message) return false;
    const request = this.#take(message.id);
    if (!request) return true;
    const { error } = message;
    if (error) request.reject(new RequestFailed(String(error.code ?? ""), String(error.text ?? "")));
    else request.resolve(message.result);
    return true;
  }

  /** Nothing will be answered any more. */
  close() {
    this.#isClosed = true;
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(new RequestFailed("closed", ""));
  }

  /** @param {number} id */
  #take(id) {
    const request = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (request) this.#clock.clearTimeout(request.timer);
    return request;
  }
}
