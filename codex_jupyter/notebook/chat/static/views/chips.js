// Chips: the variables, plots and files that a prompt mentions.

import { make } from "../dom.js";

/** `{name}`, `@plot` and the like, and a path in backticks. */
const MENTION = /\{[A-Za-z_]\w*(?:[.[][^{}\n]{0,60})?\}|(?<![\w@./])@[A-Za-z_]\w*(?::-?\d+)?(?![\w/.])|`[^`\n]{1,200}`/g;

/**
 * Return the parts of a prompt: its text, and the mentions in it as chips.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function withChips(text) {
  const parts = withMentions(text, (mention) => make("code", { class: "codex-chip" }, mention.replace(/^`|`$/g, "")));
  return parts.filter((part) => part !== "");
}

/** Characters of a text above which its mentions are not marked, because each key would draw all of it. */
const MAX_MARKED = 20_000;

/**
 * Put a box around a text field, in which the mentions look like those of a prompt: marks behind the text, at the same places.
 *
 * @param {HTMLTextAreaElement} input
 */
export function createTextField(input) {
  const marks = make("div", { class: "codex-marks", dir: "auto", "aria-hidden": "true" });

  function show() {
    const parts = input.value.length > MAX_MARKED ? [] : withMentions(input.value, (mention) => make("mark", {}, mention));
    // A text without mentions needs no copy of it.
    marks.replaceChildren(...(parts.length > 1 ? parts : []));
    marks.scrollTop = input.scrollTop;
  }

  input.addEventListener("scroll", () => {
    marks.scrollTop = input.scrollTop;
  });
  return { node: make("div", { class: "codex-field" }, marks, input), show };
}

/**
 * Return the texts of a prompt, and between them an element for each mention.
 *
 * @param {string} text
 * @param {(mention: string) => Node} show
 * @returns {(Node | string)[]}
 */
function withMentions(text, show) {
  /** @type {(Node | string)[]} */
  const parts = [];
  let end = 0;
  for (const { 0: mention, index } of text.matchAll(MENTION)) {
    parts.push(text.slice(end, index), show(mention));
    end = index + mention.length;
  }
  return [...parts, text.slice(end)];
}
