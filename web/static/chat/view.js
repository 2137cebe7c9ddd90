// @ts-check
/** The whole page: puts the state on the screen. Nothing is decided here. */
import { QuietView } from "./calling-view.js";
import { CallsView } from "./calls-view.js";
import { ContactsView } from "./contacts-view.js";
import { ConversationView } from "./conversation-view.js";
import { DetailsView } from "./details-view.js";
import { Dialogs } from "./dialogs.js";
import { find, say, sayWithNames, show } from "./dom.js";
import { profileImage } from "./image.js";
import { titleOf } from "./present.js";
import { ProtectView } from "./protect-view.js";
import { PictureError, ScanView, pastedPicture } from "./scan-view.js";
import { RequestsView } from "./requests-view.js";
import { SettingsView } from "./settings-view.js";
import { StartView } from "./start-view.js";
import { toast } from "./toasts.js";
import { UnlockView } from "./unlock-view.js";

/** @typedef {import("./controller.js").Controller} Controller */

export class PageView {
  #t;
  #dates;
  #controller;
  #contacts;
  #conversation;
  #calls;
  #details;
  #dialogs;
  #protect;
  #quiet;
  #requests;
  #scan;
  #settings;
  #start;
  #unlock;

  /**
   * @param {() => Controller} controller
   * @param {import("../common/catalogue.js").Translate} t
   * @param {import("./dates.js").Dates} dates
   */
  constructor(controller, t, dates) {
    this.#controller = controller;
    this.#t = t;
    this.#dates = dates;
    const add = () => this.#dialogs.add("invite");
    this.#scan = new ScanView(t);
    const readPasted = (/** @type {ClipboardEvent} */ event) => this.#readPasted(event);
    const copyText = (/** @type {string} */ text) => controller().copyText(text);
    this.#contacts = new ContactsView({
      open: (id) => controller().conversation.open(id),
      add,
      settings: (section) => this.#settings.open(section),
      menu: () => this.#menu(),
      menuLabel: t("chat.side.menu"),
    });
    this.#quiet = new QuietView((values) => void controller().calls.setAtOnce(values), t);
    this.#requests = new RequestsView({
      accept: (id) => void controller().people.acceptRequest(id),
      reject: (id) => void controller().people.rejectRequest(id),
    });
    this.#conversation = new ConversationView(
      {
        close: () => controller().conversation.close(),
        send: (id, text) => void controller().conversation.send(id, text),
        draft: (id, text) => controller().conversation.draft(id, text),
        call: (media) => void controller().calls.call(media),
        clear: () => void controller().conversation.clear(),
        deleteContact: () => void controller().people.deleteContact(),
        details: () => controller().details.open(),
        invite: add,
        paste: () => this.#dialogs.add("paste"),
        copyText,
        earlier: () => void controller().conversation.earlier(),
        later: () => controller().conversation.later(),
        newest: () => controller().conversation.newest(),
        copy: (id) => void controller().conversation.copyItem(id),
        deleteText: (id) => void controller().conversation.deleteText(id),
        openLink: (url) => void controller().conversation.openLink(url),
      },
      t,
    );
    this.#calls = new CallsView(
      {
        accept: (id, isAudioOnly) => void controller().calls.accept(id, isAudioOnly),
        reject: (id) => void controller().calls.reject(id),
        hangUp: (id) => void controller().calls.hangUp(id),
        showCall: (id) => void controller().calls.showCall(id),
        open: (id) => controller().conversation.open(id),
      },
      t,
    );
    this.#dialogs = new Dialogs(
      {
        createInvitation: () => controller().people.createInvitation(),
        lookUp: (link) => controller().people.lookUp(link),
        connect: (link) => controller().people.connect(link),
        open: (id) => controller().conversation.open(id),
        setName: (name) => controller().setName(name),
        scan: () => this.#scan.scan("link"),
        readPasted,
        copyText,
      },
      t,
    );
    this.#details = new DetailsView(
      {
        close: () => controller().details.close(),
        verify: (code) => void controller().details.verify(code),
        synchronize: () => void controller().details.synchronize(),
        switchQueue: () => void controller().details.switchQueue(),
        keepQueue: () => void controller().details.keepQueue(),
        setQuantumResistance: (isOn) => void controller().details.setQuantumResistance(isOn),
        scan: () => this.#scan.scan("code"),
        readPasted,
        chooseRoute: (choice) => void controller().details.chooseRoute(choice),
        allowCalls: (wish) => void controller().details.allowCalls(wish),
        deleteContact: () => void controller().people.deleteContact(),
        copyText,
      },
      t,
    );
    this.#start = new StartView(
      {
        servers: () => controller().settings.servers(),
        saveServers: (servers) => controller().settings.saveServers(servers),
        setRelay: (mode, host) => controller().settings.setRelay(mode, host),
      },
      t,
    );
    this.#protect = new ProtectView((choice) => controller().settings.protectProfile(choice), t);
    this.#unlock = new UnlockView((id, passphrase) => controller().settings.switchProfile(id, passphrase), t);
    this.#settings = new SettingsView(
      {
        load: (section) => void controller().settings.load(section),
        profile: () => controller().state.profile,
        setProfile: (values) => controller().people.setProfile(values),
        makeImage: profileImage,
        createAddress: () => controller().settings.createAddress(),
        deleteAddress: () => void controller().settings.deleteAddress(),
        switchServer: (uri, isOn) => void controller().settings.switchServer(uri, isOn),
        switchOperator: (id, isOn) => void controller().settings.switchOperator(id, isOn),
        removeServer: (uri) => void controller().settings.removeServer(uri),
        addServer: (uri) => controller().settings.addServer(uri),
        testServer: (uri) => void controller().settings.testServer(uri),
        setRelay: (mode, host) => controller().settings.setRelay(mode, host),
        switchIceServer: (uri, isOn) => void controller().settings.switchIceServer(uri, isOn),
        removeIceServer: (uri) => void controller().settings.removeIceServer(uri),
        testIceServer: (uri) => void controller().settings.testIceServer(uri),
        addServers: (text) => controller().settings.addServers(text),
        scanServers: () => this.#scan.scan("servers"),
        resetIce: () => void controller().settings.resetIce(),
        setRelayPolicy: (policy) => void controller().settings.setRelayPolicy(policy),
        setNetwork: (values) => controller().settings.setNetwork(values),
        setCalling: (values) => controller().calls.set(values),
        trySound: (percent) => controller().calls.trySound(percent),
        cancelArchive: () => void controller().settings.cancelArchive(),
        home: (method, params) => controller().settings.home(method, params),
        switchProfile: (id) => controller().settings.switchProfile(id),
        confirm: (question) => this.#dialogs.confirm(question),
        copyText,
      },
      t,
    );
    find("conversation").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) controller().conversation.close();
    });
  }

  /** What the menu above the list of contacts offers. */
  #menu() {
    const t = this.#t;
    const { calls, state } = this.#controller();
    const { doNotDisturb } = state.calling;
    return [
      {
        icon: "moon",
        text: t(doNotDisturb ? "chat.quiet.undisturbed.end.label" : "chat.quiet.undisturbed"),
        act: () => void calls.setAtOnce({ doNotDisturb: !doNotDisturb }),
      },
      { icon: "phone", text: t("chat.menu.paste-call"), act: () => void calls.paste() },
    ];
  }

  /** The code in a picture that is pasted; `null` if it is none. @param {ClipboardEvent} event */
  async #readPasted(event) {
    const picture = pastedPicture(event);
    if (!picture) return null;
    event.preventDefault();
    try {
      return await this.#scan.readPicture(picture);
    } catch (error) {
      if (!(error instanceof PictureError)) throw error;
      this.toast("bad", this.#t(error.message));
      return null;
    }
  }

  /** @param {import("./model.js").State} state */
  render(state) {
    const words = { t: this.#t, dates: this.#dates, now: Date.now() };
    Object.assign(find("app").dataset, { phase: state.phase, column: state.open === null ? "list" : "conversation" });
    const title = titleOf(state, this.#t);
    if (document.title !== title) document.title = title;
    this.#contacts.render(state, words);
    this.#quiet.render(state.calling);
    this.#requests.render(state, words);
    this.#conversation.render(state, words);
    this.#details.render(state, words);
    this.#settings.render(state);
    this.#calls.render(state);
    this.#dialogs.popup(state.blockedCall?.url ?? null);
    if (state.phase === "over") {
      this.#start.giveUp();
      this.#unlock.giveUp();
      this.#protect.giveUp();
      this.#dialogs.closeAll();
    }
    find("app").toggleAttribute("inert", state.phase === "over");
    show(find("over"), state.phase === "over");
  }

  /** @param {number} now */
  tick(now) {
    this.#calls.tick(now);
  }

  /** Times such as "Yesterday" have grown old. */
  refresh() {
    this.render(this.#controller().state);
  }

  /** @param {string} text */
  announce(text) {
    say(find("announce"), text);
  }

  /** @param {"bad" | "good"} tone @param {string} text */
  toast(tone, text) {
    toast(text, tone);
  }

  /** @param {string} id @param {string} name */
  toastWithName(id, name) {
    const words = document.createElement("span");
    sayWithNames(words, this.#t, id, { name });
    toast(words, "good");
  }

  askName() {
    this.#dialogs.name();
  }

  /** @param {import("./unlock-view.js").Locked} locked */
  askPassphrase(locked) {
    this.#unlock.ask(locked);
  }

  /** @param {import("./unlock-view.js").Locked} locked */
  askProtection(locked) {
    this.#protect.ask(locked);
  }

  askServers() {
    void this.#start.ask();
  }

  /** @param {string} name @param {"call" | "accept"} act @param {boolean} hasRelay */
  askIp(name, act, hasRelay) {
    return this.#dialogs.askIp(name, act, hasRelay);
  }

  closeIp() {
    this.#dialogs.closeIp();
  }

  /** @param {import("./dialogs.js").Question} question */
  confirm(question) {
    return this.#dialogs.confirm(question);
  }

  /** @param {number} contactId */
  invitationUsed(contactId) {
    return this.#dialogs.invitationUsed(contactId);
  }

  /** @param {number} contactId */
  focusContact(contactId) {
    this.#contacts.focus(contactId);
  }
}
