// The line that shows that a turn is running, and for how long.

/** @import { MetaMessage } from "../protocol.js" */
/** @import { ChatState } from "../store.js" */

import { make, setText } from "../dom.js";

/** @param {ChatState} state */
export function createStatus(state) {
  const text = make("span", { role: "status" });
  const clock = make("span", { class: "codex-clock", "aria-hidden": "true" });
  const node = make(
    "div",
    { class: "codex-working", hidden: true },
    make("span", { class: "codex-pulse", "aria-hidden": "true" }),
    text,
    clock,
    make("span", { class: "codex-space" }),
    make("span", { class: "codex-hint", "aria-hidden": "true" }, "Esc stops"),
  );

  function tick() {
    const seconds = Math.round((state.meta?.seconds ?? 0) + (Date.now() - state.metaAt) / 1000);
    setText(clock, state.meta?.running ? formatDuration(seconds) : "");
  }

  return {
    node,
    tick,
    /** @param {MetaMessage | null} meta */
    showMeta(meta) {
      const running = Boolean(meta?.running) && !state.ended;
      node.hidden = !running;
      setText(text, !running ? "" : state.question?.question ? "Codex waits for your answer" : "Codex is working…");
      tick();
    },
  };
}

/** @param {number} seconds */
const formatDuration = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);
