// Complete mentions, `@` and the start of a name, and commands, `/` and the start of a name.

/** @import { Mention } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */
/** @import { Command } from "./commands.js" */

import { make } from "../dom.js";

/** The word before the cursor if it is a mention. */
const WRITTEN_MENTION = /(?:^|\s)@([\w:./-]*)$/;

/**
 * @param {ChatContext} chat
 * @param {HTMLTextAreaElement} input
 * @param {() => void} onChange called after the text has changed
 * @param {(command: Command) => void} onCommand called with a command that needs no argument
 */
export function createMentions({ connection, uid }, input, onChange, onCommand) {
  const node = make("ul", { class: "codex-offers", id: `${uid}-offers`, role: "listbox", "aria-label": "Completions", hidden: true });
  /** @type {(Mention & { command?: Command })[]} */
  let offers = [];
  let selected = 0;
  /** @type {Command[]} */
  let commands = [];

  /** Return the word before the cursor if it is a mention, without its `@`. */
  const mention = () => input.value.slice(0, input.selectionStart).match(WRITTEN_MENTION)?.[1] ?? null;

  /** Return the start of a command, without its `/`, if nothing else is written. */
  const command = () => input.value.match(/^\/([a-z]*)$/)?.[1] ?? null;

  function draw() {
    node.replaceChildren(
      ...offers.map((offer, index) =>
        make(
          "li",
          {
            id: `${uid}-offer-${index}`,
            role: "option",
            "aria-selected": String(index === selected),
            onmousedown: (event) => {
              event.preventDefault();
              take(offer);
            },
          },
          make("span", {}, offer.command ? `/${offer.name}` : `@${offer.name}`),
          make("small", {}, offer.description),
        ),
      ),
    );
    node.hidden = !offers.length;
    node.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    if (offers.length) input.setAttribute("aria-activedescendant", `${uid}-offer-${selected}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function hide() {
    if (!offers.length) return;
    offers = [];
    draw();
  }

  /** @param {Mention & { command?: Command } | undefined} offer */
  function take(offer) {
    if (!offer) return;
    if (offer.command && !offer.command.argument) {
      hide();
      onCommand(offer.command);
      return;
    }
    const cursor = input.selectionStart;
    const text = offer.text.endsWith("/") ? offer.text : `${offer.text} `;
    const start = input.value.slice(0, cursor).replace(/^\/[a-z]*$|@[\w:./-]*$/, () => text);
    input.value = start + input.value.slice(cursor);
    input.setSelectionRange(start.length, start.length);
    hide();
    onChange();
    // A folder is completed further.
    if (offer.text.endsWith("/")) request();
  }

  /** Ask the kernel for names, or offer commands. Hide them if neither is being written. */
  function request() {
    const start = command();
    const word = mention();
    if (start !== null) {
      offers = commands
        .filter(({ name }) => name.startsWith(start))
        .map((entry) => ({ name: entry.name, text: `/${entry.name}`, description: entry.description, command: entry }));
      selected = 0;
      draw();
    } else if (word === null) hide();
    else connection.send({ do: "offers", word });
  }

  /** @param {number} step */
  function move(step) {
    selected = (selected + step + offers.length) % offers.length;
    draw();
  }

  /**
   * Handle a key while names are offered. Return whether it was handled.
   *
   * @param {string} key
   */
  function onKey(key) {
    if (!offers.length) return false;
    const { command: chosen, name } = offers[selected] ?? {};
    if (key === "Enter" && chosen?.argument?.startsWith("[") && input.value === `/${name}`) {
      hide();
      return false;
    }
    if (key === "ArrowDown") move(1);
    else if (key === "ArrowUp") move(-1);
    else if (key === "Enter" || key === "Tab") take(offers[selected]);
    else if (key === "Escape") hide();
    else return false;
    return true;
  }

  return {
    node,
    hide,
    onKey,
    request,
    /** @param {Command[]} all */
    setCommands: (all) => {
      commands = all;
    },
    /**
     * Show the names that still fit: the text can have changed since they were requested.
     *
     * @param {Mention[]} names
     */
    show(names) {
      const word = mention()?.toLowerCase() ?? null;
      offers = word === null ? [] : names.filter(({ name }) => name.toLowerCase().startsWith(word));
      selected = 0;
      draw();
    },
  };
}
