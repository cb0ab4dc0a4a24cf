// All changes of files by the thread. The HTML is that of the kernel's renderer, like the blocks of a turn.

import { button, make } from "../dom.js";
import { adaptColours } from "./turn.js";

export function createChanges() {
  const body = make("div", { class: "codex-changed", tabindex: "0", role: "region", "aria-label": "Changed files of this thread" });
  const hide = () => {
    node.hidden = true;
  };
  /** @type {HTMLElement} */
  const node = make(
    "div",
    { class: "codex-changes", hidden: true },
    make("strong", {}, "Changed files"),
    button("close", "", "Close the changes", hide),
    body,
  );
  return {
    node,
    /** @param {string} html */
    show(html) {
      if (html) body.innerHTML = html;
      else body.replaceChildren("The turns of this thread changed no file, as far as it is known.");
      adaptColours(body);
      node.hidden = false;
      body.focus();
    },
  };
}
