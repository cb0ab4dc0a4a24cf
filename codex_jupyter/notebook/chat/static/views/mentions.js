// Complete mentions: `@` and the start of a name.

/** @import { Mention } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { make } from "../dom.js";

/**
 * @param {ChatContext} chat
 * @param {HTMLTextAreaElement} input
 * @param {() => void} onChange called after the text has changed
 */
export function createMentions({ connection, uid }, input, onChange) {
  const node = make("ul", { class: "codex-offers", id: `${uid}-offers`, role: "listbox", "aria-label": "Names to mention", hidden: true });
  /** @type {Mention[]} */
  let offers = [];
  let selected = 0;

  /** Return the word before the cursor if it is a mention, without its `@`. */
  const mention = () => input.value.slice(0, input.selectionStart).match(/(?:^|\s)@([\w:-]*)$/)?.[1] ?? null;

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
          make("span", {}, `@${offer.name}`),
          make("small", {}, offer.description),
        ),
      ),
    );
    node.hidden = !offers.length;
    if (offers.length) input.setAttribute("aria-activedescendant", `${uid}-offer-${selected}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function hide() {
    if (!offers.length) return;
    offers = [];
    draw();
  }

  /** @param {Mention | undefined} offer */
  function take(offer) {
    if (!offer) return;
    const cursor = input.selectionStart;
    const start = input.value.slice(0, cursor).replace(/@[\w:-]*$/, () => `${offer.text} `);
    input.value = start + input.value.slice(cursor);
    input.setSelectionRange(start.length, start.length);
    hide();
    onChange();
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
    /** Ask the kernel for names, or hide them if no mention is being written. */
    request() {
      const word = mention();
      if (word === null) hide();
      else connection.send({ do: "offers", word });
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
