// Slash commands: what a prompt that starts with `/` does instead of being sent.

/** @import { ChatContext } from "./chat.js" */

/**
 * @typedef {object} Command
 * @property {string} name
 * @property {string} description
 * @property {string} [argument] what follows the name; in brackets if it may be missing
 * @property {(argument: string) => unknown} run
 */

/** What the parts of the chat do for the commands. */
/**
 * @typedef {object} CommandTargets
 * @property {(search?: string) => void} showThreads
 * @property {() => void} askDelete
 * @property {(text: string) => unknown} find
 * @property {() => unknown} stop
 * @property {() => unknown} retry
 */

/**
 * @param {ChatContext} chat
 * @param {CommandTargets} targets
 * @returns {Command[]}
 */
export function createCommands({ connection, notify }, targets) {
  /** @param {string} trait */
  const choose = (trait) => (/** @type {string} */ value) => connection.send({ do: "choose", trait, value });
  /** @param {string} how */
  const change = (how) => (/** @type {string} */ name) => connection.send({ do: "thread", how, name });
  const help = () =>
    notify(commands.map(({ name, argument, description }) => `/${name}${argument ? ` ${argument}` : ""}: ${description}`).join("\n"), true);
  /** @type {Command[]} */
  const commands = [
    { name: "new", description: "start a new thread", run: () => change("new")("") },
    { name: "resume", argument: "[TEXT]", description: "find an earlier thread and continue it", run: targets.showThreads },
    { name: "model", argument: "NAME", description: "choose the model", run: choose("model") },
    { name: "effort", argument: "LEVEL", description: "choose the reasoning effort", run: choose("effort") },
    { name: "preset", argument: "NAME", description: "choose the rights: read-only, ask, edit or full", run: choose("preset") },
    { name: "rename", argument: "TITLE", description: "give this thread a title", run: change("rename") },
    { name: "fork", description: "continue in a copy of this thread", run: () => change("fork")("") },
    { name: "compact", description: "replace the history by a summary", run: () => connection.send({ do: "compact" }) },
    {
      name: "review",
      argument: "[TEXT]",
      description: "review the uncommitted changes, or what TEXT describes, in a new thread",
      run: (text) => connection.send({ do: "review", text }),
    },
    { name: "diff", description: "show the changes of files by this thread", run: () => connection.send({ do: "diff" }) },
    { name: "find", argument: "TEXT", description: "search in this conversation", run: targets.find },
    { name: "retry", description: "send the last prompt again", run: targets.retry },
    { name: "stop", description: "stop the running turn", run: targets.stop },
    { name: "archive", description: "move this thread out of the lists", run: () => change("archive")("") },
    { name: "delete", description: "delete this thread", run: targets.askDelete },
    { name: "help", description: "list the commands", run: help },
  ];
  return commands;
}

/**
 * Return the name and the argument of a command, or null if a text is a prompt.
 *
 * @param {string} text
 * @returns {{ name: string, argument: string } | null}
 */
export function parseCommand(text) {
  const found = text.match(/^\/([a-z]+)(?:\s+([\s\S]*))?$/);
  return found ? { name: found[1] ?? "", argument: (found[2] ?? "").trim() } : null;
}

/**
 * Run a command, or report that there is none of this name.
 *
 * @param {Command[]} commands
 * @param {{ name: string, argument: string }} written
 * @param {(text: string) => void} notify
 */
export function runCommand(commands, { name, argument }, notify) {
  const command = commands.find((entry) => entry.name === name);
  notify(command ? "" : `There is no command /${name}. /help lists the commands. A space before the / sends the text as a prompt.`);
  command?.run(argument);
}
