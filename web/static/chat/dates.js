// @ts-check
/** Times in the user's words, by Intl. */

const MINUTE = 60_000;
const DAY = 86_400_000;

export class Dates {
  #time;
  #weekday;
  #date;
  #dateOfYear;
  #shortDate;
  #full;
  #relative;
  #duration;

  /**
   * @param {string} locale
   * @param {string} [timeZone]  the machine's if left out
   */
  constructor(locale, timeZone) {
    const format = (/** @type {Intl.DateTimeFormatOptions} */ options) =>
      new Intl.DateTimeFormat(locale, { ...options, timeZone });
    this.#time = format({ hour: "numeric", minute: "2-digit" });
    this.#weekday = format({ weekday: "long" });
    this.#date = format({ weekday: "long", day: "numeric", month: "long" });
    this.#dateOfYear = format({ day: "numeric", month: "long", year: "numeric" });
    this.#shortDate = format({ day: "numeric", month: "short" });
    this.#full = format({ dateStyle: "full", timeStyle: "short" });
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
    this.#duration = (/** @type {number} */ value, /** @type {string} */ unit) =>
      new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" }).format(value);
  }

  /** "14:05". @param {number} moment  milliseconds since 1970 */
  time(moment) {
    return this.#time.format(moment);
  }

  /** All of it, for a title. @param {number} moment */
  full(moment) {
    return this.#full.format(moment);
  }

  /** "12 Mar". @param {number} moment */
  shortDate(moment) {
    return this.#shortDate.format(moment);
  }

  /**
   * A day as a heading: "Today", "Yesterday", "Tuesday, March 3", "3 March 2025".
   *
   * @param {number} moment
   * @param {number} now
   */
  day(moment, now) {
    const days = daysBetween(moment, now);
    if (days === 0 || days === 1) return capital(this.#relative.format(-days, "day"));
    return (days > 0 && days < 300 ? this.#date : this.#dateOfYear).format(moment);
  }

  /**
   * As short as a list needs it: "14:05", "Yesterday", "Tuesday", "3 Mar".
   *
   * @param {number} moment
   * @param {number} now
   */
  brief(moment, now) {
    const days = daysBetween(moment, now);
    if (days <= 0) return this.time(moment);
    if (days === 1) return capital(this.#relative.format(-1, "day"));
    if (days < 7) return this.#weekday.format(moment);
    return (days < 300 ? this.#shortDate : this.#dateOfYear).format(moment);
  }

  /**
   * "45 sec", "5 min 12 sec", "1 hr 5 min".
   *
   * @param {number} seconds
   */
  duration(seconds) {
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const parts = hours ? [[hours, "hour"], [minutes, "minute"]] : [[minutes, "minute"], [rest, "second"]];
    const shown = parts.filter(([value], index) => value !== 0 || (index === 1 && hours + minutes === 0));
    return shown.map(([value, unit]) => this.#duration(Number(value), String(unit))).join(" ");
  }
}

/**
 * A key of the local day.
 *
 * @param {number} moment
 */
export function dayKey(moment) {
  const date = new Date(moment);
  return date.getFullYear() * 10_000 + (date.getMonth() + 1) * 100 + date.getDate();
}

/**
 * How many midnights lie between two moments.
 *
 * @param {number} from
 * @param {number} to
 */
function daysBetween(from, to) {
  const midnight = (/** @type {number} */ moment) => {
    const date = new Date(moment);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(to) - midnight(from)) / DAY);
}

/**
 * Whether two moments are close enough for one group of bubbles.
 *
 * @param {number} one
 * @param {number} other
 */
export function isSoonAfter(one, other) {
  return other - one < 4 * MINUTE;
}

/** @param {string} text */
function capital(text) {
  const [first = "", ...rest] = text;
  return first.toLocaleUpperCase() + rest.join("");
}
