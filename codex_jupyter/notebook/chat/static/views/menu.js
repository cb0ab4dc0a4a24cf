// A button that opens a menu.

import { button, make } from "../dom.js";

/**
 * @param {string} label
 * @param {() => [string, () => unknown][]} entries returns the names of the entries, and what they do
 */
export function createMenu(label, entries) {
  const list = make("div", { class: "codex-menu", role: "menu", "aria-label": "Thread actions", hidden: true });
  const opener = button("more", "", label, toggle, { class: "codex-flat", "aria-haspopup": "menu", "aria-expanded": "false" });
  const node = make("div", { class: "codex-menu-place" }, opener, list);

  /** @param {boolean} open */
  function show(open) {
    list.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
  }

  function toggle() {
    if (!list.hidden) return show(false);
    const items = entries().map(([text, act]) => {
      const onclick = () => choose(act);
      return make("button", { type: "button", role: "menuitem", onclick }, text);
    });
    list.replaceChildren(...items);
    show(true);
    return list.querySelector("button")?.focus();
  }

  /** @param {() => unknown} act */
  function choose(act) {
    show(false);
    opener.focus();
    act();
  }

  node.addEventListener("keydown", (event) => {
    if (list.hidden || !["ArrowDown", "ArrowUp", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const items = [...list.querySelectorAll("button")];
    const at = items.findIndex((item) => item === document.activeElement);
    if (event.key === "Escape") {
      show(false);
      opener.focus();
    } else items[(at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length]?.focus();
  });
  node.addEventListener("focusout", (event) => {
    if (!(event.relatedTarget instanceof Node && node.contains(event.relatedTarget))) show(false);
  });
  return { node, opener };
}
