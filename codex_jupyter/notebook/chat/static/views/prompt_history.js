// Recall earlier prompts with the arrow keys.

/** @import { ChatState } from "../store.js" */

/**
 * @param {ChatState} state
 * @param {HTMLTextAreaElement} input
 */
export function createPromptHistory(state, input) {
  /** How many prompts back; -1 is the text that is being written. */
  let position = -1;
  let draft = "";

  const prompts = () => state.turns.map(({ prompt }) => prompt).filter((text, index, all) => text && text !== all[index - 1]);

  /** @param {number} step */
  function recall(step) {
    const all = prompts();
    if (position < 0) draft = input.value;
    position = Math.max(-1, Math.min(position + step, all.length - 1));
    input.value = position < 0 ? draft : (all.at(-1 - position) ?? "");
    const cursor = step > 0 ? 0 : input.value.length;
    input.setSelectionRange(cursor, cursor);
  }

  /**
   * Recall a prompt if the key asks for one. Return whether it did.
   *
   * @param {string} key
   */
  function onKey(key) {
    const atStart = input.selectionStart === 0 && input.selectionEnd === 0;
    if (key === "ArrowUp" && atStart && prompts().length) recall(1);
    else if (key === "ArrowDown" && position >= 0 && input.selectionEnd === input.value.length) recall(-1);
    else return false;
    return true;
  }

  return {
    onKey,
    leave: () => {
      position = -1;
    },
  };
}
