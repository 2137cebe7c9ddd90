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
 * @property {string | null} image  a data: URL
 * @property {boolean} callsAllowed
 *
 * @typedef {object} Contact
 * @property {number} id
 * @property {string} name  empty until it is known
 * @property {string} fullName
 * @property {"pending" | "connecting" | "connected" | "failed" | "gone"} status
 * @property {string | null} image  a data: URL
 * @property {boolean} isVerified  the security code was compared
 * @property {boolean} isConnected  texts and calls can go
 * @property {boolean} callsAllowed  by both sides
 * @property {"both" | "they-refuse" | "we-refuse"} callPermission
 * @property {string | null} failure
 * @property {number} createdAt
 * @property {Item | null} lastItem
 * @property {number} unread
 * @property {boolean} [audioOnly]  their calls are taken with our camera off
 * @property {number} [missedCalls]  since it was read
 *
 * @typedef {object} Item
 * @property {number} id
 * @property {number} contactId
 * @property {"text" | "call" | "notice"} kind
 * @property {"sent" | "received"} direction
 * @property {number} createdAt
 * @property {number | null} sentAt
 * @property {"sending" | "sent" | "received" | "failed" | null} delivery
 * @property {string | null} failure
 * @property {string} [text]
 * @property {string} [content]
 * @property {string | null} [preview]  a data: URL
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
 * @property {boolean | null} [encrypted]  false: their app does not encrypt frames
 * @property {"ours" | "theirs" | null} [consentWanted]  the call's page asks whether it goes on without frame encryption
 * @property {"none" | "sent" | "ringing"} [progress]  of our invitation
 * @property {number | null} [itemId]
 * @property {number} startedAt
 * @property {number | null} connectedAt
 * @property {string | null} endReason
 * @property {string | null} failure
 *
 * @typedef {object} CallSettings
 * @property {number} ringVolume  percent, of ringtone and ringback
 * @property {boolean} isSilent
 * @property {boolean} doNotDisturb
 * @property {boolean} preview
 *
 * @typedef {object} Server
 * @property {string} server
 * @property {boolean} isConnected
 *
 * @typedef {{size: number, path: string}} Qr  a code as an SVG path
 *
 * @typedef {object} Address  a link that others can ask through to connect
 * @property {string} link  the short one where there is one
 * @property {string} fullLink
 * @property {string | null} shortLink
 * @property {Qr} qr
 *
 * @typedef {Address & {contactId: number | null}} Invitation
 *
 * @typedef {object} Preview  what a link will do
 * @property {"invitation" | "contact"} kind
 * @property {{displayName: string, fullName: string, image: string | null} | null} profile
 * @property {boolean} isOwn
 * @property {number | null} contactId  who is connected by it already
 *
 * @typedef {object} Request  somebody who asks to connect
 * @property {number} id
 * @property {string} name
 * @property {string} fullName
 * @property {string | null} image
 * @property {number} createdAt
 *
 * @typedef {object} Details  what the panel of a contact shows
 * @property {number} contactId
 * @property {boolean} isQuantumResistant  in both directions
 * @property {boolean} wantsQuantumResistance  turned on here
 * @property {string | null} securityCode
 * @property {Qr | null} qr
 * @property {boolean} isVerified
 * @property {"ok" | "allowed" | "required" | "started" | "agreed"} [ratchetSync]
 * @property {boolean} isSwitching  a queue is being replaced
 * @property {boolean} canAbortSwitching  it is ours, and may stay
 * @property {string[]} receivingServers
 * @property {string[]} sendingServers
 * @property {boolean | null} ownCallsAllowed  the user's wish for this contact; null: as in the profile
 * @property {Route} route
 *
 * @typedef {object} Route  how calls with a contact go
 * @property {boolean | null} choice  through relays only; null: as in the settings
 * @property {boolean} isRelayed  what comes of it
 * @property {boolean} hasRelay  whether there is a relay that is on
 * @property {boolean} needsWarning  the user must be told that the contact will see their IP address
 *
 * @typedef {object} IceServer  a STUN or TURN server
 * @property {string} uri  with its password
 * @property {string} url  to be shown
 * @property {boolean} isRelay
 * @property {boolean} hasSecret  shared with the server: users are made of it
 * @property {boolean} isOn
 * @property {boolean} isDefault
 * @property {Qr} qr
 *
 * @typedef {object} Ice
 * @property {IceServer[]} servers
 * @property {"always" | "unverified" | "never"} relay  whose calls go through relays only
 * @property {boolean} hasRelay
 *
 * @typedef {object} SmpServer
 * @property {string} uri
 * @property {string} host
 * @property {string | null} onion
 * @property {boolean} isOn
 * @property {boolean} isDefault  on with its operator
 * @property {Qr | null} qr  of own servers
 *
 * @typedef {object} Relay  the one built into the program
 * @property {"off" | "machine" | "lan"} mode
 * @property {string | null} host  where it listens
 * @property {string[]} hosts  this machine's addresses in its networks
 * @property {string | null} uri
 * @property {Qr | null} qr
 * @property {boolean} isOn  whether this profile uses it
 *
 * @typedef {object} Servers
 * @property {{id: string, name: string, servers: SmpServer[]}[]} operators
 * @property {SmpServer[]} own
 * @property {Relay | null} relay
 *
 * @typedef {object} Verdict
 * @property {string} kind
 * @property {number | null} roundTrip  milliseconds
 *
 * @typedef {object} Network
 * @property {string} socksProxy  "host:port"; empty for none
 * @property {"always" | "unknown" | "never"} privateRouting
 * @property {boolean} quantumResistance
 * @property {boolean} receipts
 *
 * @typedef {object} HomeProfile
 * @property {string} id
 * @property {string} name
 * @property {boolean} isOpen
 * @property {boolean} hasPassphrase
 * @property {boolean} hasReadableKey  its key lies in a file beside it
 *
 * @typedef {object} Snapshot  what the method `state` gives
 * @property {Profile | null} profile
 * @property {Contact[]} contacts
 * @property {Request[]} requests
 * @property {boolean} hasServers  new contacts can be made
 * @property {Call[]} calls
 * @property {Server[]} servers
 * @property {string} [storageProblem]  what keeps the profile from being stored, for the user; empty if nothing does
 * @property {"window" | "browser"} mode
 */

/** Methods that go over the network, and may take their time. */
const SLOW = new Set([
  "accept_request",
  "change_passphrase",
  "connect",
  "create_address",
  "create_invitation",
  "delete_address",
  "delete_contact",
  "look_up_link",
  "switch_queue",
  "test_ice_server",
  "test_server",
]);
/** Methods that show how far they are, and can be cancelled. */
const LONG = new Set(["export_archive", "import_archive"]);
const SLOW_MS = 150_000;
const LONG_MS = 12 * 3_600_000;
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
        LONG.has(method) ? LONG_MS : SLOW.has(method) ? SLOW_MS : FAST_MS,
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
