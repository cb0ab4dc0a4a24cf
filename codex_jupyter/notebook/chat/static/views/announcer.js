// What a screen reader says: whole paragraphs of the answer, and what happens to a turn. The conversation itself is silent, because a
// reader would say each piece of a text that grows.

import { make } from "../dom.js";

/** Texts that come in this time are said together. */
const PAUSE_MS = 500;
/** Texts that stay in the region. */
const KEPT = 20;
/** Longer texts are cut: the reader finds them in the conversation. */
const MAX_SPOKEN = 1000;

export function createAnnouncer() {
  const node = make("div", { class: "codex-announcement", "aria-live": "polite" });
  /** @type {string[]} */
  let pending = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function flush() {
    timer = undefined;
    node.append(...pending.map((text) => make("div", {}, text)));
    pending = [];
    while (node.childElementCount > KEPT) node.firstElementChild?.remove();
  }

  return {
    node,
    /** @param {string | null} [text] */
    say(text) {
      const line = (text ?? "").replace(/\s+/g, " ").trim();
      if (!line) return;
      pending.push(line.length > MAX_SPOKEN ? `${line.slice(0, MAX_SPOKEN)}…` : line);
      timer ??= setTimeout(flush, PAUSE_MS);
    },
    close: () => clearTimeout(timer),
  };
}
