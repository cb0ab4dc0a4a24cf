// The line above the text while an earlier prompt is edited.

/** @import { TurnState } from "../protocol.js" */

import { button, make } from "../dom.js";

/** @param {() => void} onCancel */
export function createEditing(onCancel) {
  /** @type {TurnState | null} */
  let edited = null;
  const node = make(
    "div",
    { class: "codex-editing", hidden: true },
    make("span", {}, "Editing an earlier prompt. It and all turns after it are replaced. Files stay as they are."),
    button("close", "", "Do not edit the prompt", onCancel),
  );

  /** @param {TurnState | null} turn */
  function show(turn) {
    edited = turn;
    node.hidden = !turn;
  }

  return {
    node,
    show,
    /** Return the edited turn, if there is one, and end the editing. */
    take() {
      const turn = edited;
      show(null);
      return turn;
    },
  };
}
