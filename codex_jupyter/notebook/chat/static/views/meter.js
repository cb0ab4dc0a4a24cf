// The part of the model's context that the conversation fills.

/** @import { TokenUsage } from "../protocol.js" */

import { make, setText } from "../dom.js";
import { formatNumber } from "../format.js";

/** Above this share of the window, Codex will soon compact the conversation. */
const NEARLY_FULL = 0.8;

export function createMeter() {
  const bar = make("span", { class: "codex-fill", "aria-hidden": "true" });
  const text = make("span", {});
  const node = make("span", { class: "codex-meter", role: "img", hidden: true }, make("span", { class: "codex-gauge" }, bar), text);
  return {
    node,
    /** @param {TokenUsage} usage */
    show({ context, window }) {
      node.hidden = !context || !window;
      if (!context || !window) return;
      const share = Math.min(1, context / window);
      bar.style.width = `${(share * 100).toFixed(1)}%`;
      node.dataset.full = String(share > NEARLY_FULL);
      setText(text, `${Math.round(share * 100)} %`);
      const words = `${formatNumber(context)} of ${formatNumber(window)} tokens of the model's context are used.`;
      node.title = share > NEARLY_FULL ? `${words} /compact replaces the history by a summary.` : words;
      node.setAttribute("aria-label", words);
    },
  };
}
