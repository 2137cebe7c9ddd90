// @ts-check
/** The chat page: wires controller, view and transport to the browser. */
import { pageTranslator } from "../common/catalogue.js";
import { connect } from "../common/transport.js";
import { Api } from "./api.js";
import { CallTabs } from "./call-tabs.js";
import { Controller } from "./controller.js";
import { Dates } from "./dates.js";
import { Ringtone } from "./ringtone.js";
import { copyText } from "./share.js";
import { PageView } from "./view.js";

const REFRESH_MS = 60_000;

const clock = {
  setTimeout: (/** @type {() => void} */ callback, /** @type {number} */ delay) => setTimeout(callback, delay),
  clearTimeout: (/** @type {any} */ timer) => clearTimeout(timer),
};
// the user's own way to write dates, in the language of the page
const language = document.documentElement.lang;
const locale = navigator.languages.find((name) => name.split("-")[0] === language) ?? language;

const t = pageTranslator();
const view = new PageView(() => controller, t, new Dates(locale));
const transport = connect(
  (message) => controller.receive(message),
  () => controller.disconnected(),
);
const controller = new Controller({
  api: new Api((message) => transport.send(message), clock),
  view,
  tabs: new CallTabs((url) => open(url, "_blank"), clock),
  ringtone: new Ringtone(() => new AudioContext(), clock),
  t,
  copyText,
  openUrl: (url) => void open(url, "_blank", "noopener,noreferrer"),
  replaceUrl: (url) => history.replaceState(null, "", url),
  reload: () => location.reload(),
});

const look = () => controller.visible(document.visibilityState === "visible");
document.addEventListener("visibilitychange", look);
look();
setInterval(() => view.tick(Date.now()), 500);
setInterval(() => view.refresh(), REFRESH_MS);
void controller.start();
