// The line that shows what a running turn does, for how long, and with how many tokens.

/** @import { MetaMessage } from "../protocol.js" */
/** @import { ChatState } from "../store.js" */

import { make, setText } from "../dom.js";
import { formatDuration, formatNumber } from "../format.js";

/**
 * @param {ChatState} state
 * @param {(text: string) => void} announce lets a screen reader say something
 */
export function createStatus(state, announce) {
  const text = make("span", { class: "codex-action" });
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

  /** When the open question was seen. Null if there is none. */
  /** @type {number | null} */
  let askedAt = null;
  /** The message that the time counts from, and the milliseconds since then in which the turn waited for the user. */
  let since = 0;
  let waited = 0;
  /** The wait that was announced. Actions are not: there are many, and the conversation says what came of them. */
  let announced = "";

  /** @param {boolean} waits */
  function showWaiting(waits) {
    const now = Date.now();
    // The seconds of the message already leave waiting out.
    if (since !== state.metaAt) [since, waited, askedAt] = [state.metaAt, 0, askedAt && now];
    if (waits) askedAt ??= now;
    else if (askedAt !== null) [waited, askedAt] = [waited + now - askedAt, null];
  }

  function tick() {
    const passed = (askedAt ?? Date.now()) - since - waited;
    const seconds = Math.round((state.meta?.seconds ?? 0) + passed / 1000);
    const tokens = state.meta?.usage.turn;
    const parts = [formatDuration(seconds), ...(tokens ? [`${formatNumber(tokens)} tokens`] : [])];
    setText(clock, state.meta?.running ? parts.join(" · ") : "");
  }

  return {
    node,
    tick,
    /** @param {MetaMessage | null} meta */
    showMeta(meta) {
      const running = Boolean(meta?.running) && !state.ended;
      const wait = running && meta?.waits ? meta.action : "";
      showWaiting(Boolean(state.question?.question));
      node.hidden = !running;
      node.dataset.waits = String(Boolean(wait));
      setText(text, running ? (meta?.action ?? "") : "");
      // The card of a question announces itself.
      if (wait && wait !== announced && !state.question?.question) announce(wait);
      announced = wait;
      tick();
    },
  };
}
