// @ts-check
/** The commands that only change what is shown. Pure. */
import { callInfo, CommandError, pasteInfo, text } from "./protocol.js";

/**
 * @param {any} command
 * @returns {Partial<import("./snapshot.js").Snapshot> | null}  what changes; null: it is another kind of command
 * @throws {CommandError}
 */
export function shownBy(command) {
  switch (command.type) {
    case "description":
      return { description: { state: text(command.state), description: text(command.description) } };
    case "layout":
      if (!["default", "localVideo", "remoteVideo"].includes(command.layout)) throw new CommandError("unknown layout");
      return { layout: command.layout };
    case "permission": {
      const { title, chrome, safari } = command;
      return { permission: { title: text(title), chrome: text(chrome), safari: text(safari) } };
    }
    case "paste":
      return { paste: pasteInfo(command) };
    case "call":
      return { call: callInfo(command.call) };
    default:
      return null;
  }
}
