// The line below a cell in which the user writes what Codex should do with it.

/** @import { Cell } from "./front_end.js" */

import { button, make } from "./dom.js";

/**
 * Ask the user for a text below a cell. Return it, or an empty text if the user cancels.
 *
 * @param {Cell} cell
 * @param {string} label describes the text
 * @param {string} action text of the button
 * @returns {Promise<string>}
 */
export function askBelow(cell, label, action) {
  cell.node.querySelector(".codex-lab-ask")?.dispatchEvent(new Event("codex-lab-cancel"));
  return new Promise((resolve) => {
    /** @param {string} text */
    const finish = (text) => {
      form.remove();
      resolve(text);
    };
    const input = make("textarea", { rows: "2", "aria-label": label, placeholder: label });
    const send = () => input.value.trim() && finish(input.value.trim());
    const form = make(
      "form",
      {
        class: "codex-lab-ask",
        "data-lm-suppress-shortcuts": "true",
        "oncodex-lab-cancel": () => finish(""),
        onsubmit: (event) => {
          event.preventDefault();
          send();
        },
      },
      input,
      button(action, send, "accept"),
      button("Cancel", () => finish("")),
    );
    form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") finish("");
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target === input) {
        event.preventDefault();
        send();
      }
    });
    cell.node.append(form);
    input.focus();
  });
}
