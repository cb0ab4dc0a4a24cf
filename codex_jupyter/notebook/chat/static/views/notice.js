// A message to the user, above the composer.

import { button, make, message } from "../dom.js";

const TRANSIENT_MS = 10_000;

/** Return the place for a message. An error stays until it is closed or something else is sent. Other messages are transient. */
export function createNotice() {
  const text = make("span", { dir: "auto" });
  const node = make(
    "div",
    { class: "codex-notice", role: "alert", hidden: true },
    text,
    button("close", "", "Close this message", () => show("")),
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let shown = "";
  /** The last message of `showOnce`. */
  let once = "";

  /**
   * @param {string} news empty hides the notice
   * @param {boolean} [transient]
   */
  function show(news, transient = false) {
    // A screen reader would read the same message again.
    if (news !== shown) text.replaceChildren(...message(news));
    shown = news;
    node.hidden = !news;
    node.classList.toggle("codex-info", transient);
    clearTimeout(timer);
    if (transient) timer = setTimeout(() => (node.hidden = true), TRANSIENT_MS);
  }

  /**
   * Show a message until it changes, but not again after the user has closed it.
   *
   * @param {string} news empty removes it
   */
  function showOnce(news) {
    if (news === once) return;
    if (news || shown === once) show(news);
    once = news;
  }

  function clear() {
    once = "";
    show("");
  }

  return { node, show, showOnce, clear };
}
