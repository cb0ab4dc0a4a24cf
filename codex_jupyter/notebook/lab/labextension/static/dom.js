// Build elements. Texts are set as text only.

/**
 * Return a new element. Attributes whose name starts with `on` are event listeners. For `onclick`, a double click is one click.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | ((event: any) => unknown)>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), name === "onclick" ? firstOf(value) : value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * Return a listener that ignores the second click of a double click: it would do the same again, such as send a prompt.
 *
 * @param {(event: any) => unknown} onClick
 */
const firstOf = (onClick) => (/** @type {any} */ event) => event.detail > 1 || onClick(event);

/**
 * Return a button with a text.
 *
 * @param {string} text
 * @param {() => unknown} onClick
 * @param {string} [kind] `accept`, `warn` or empty
 */
export const button = (text, onClick, kind = "") =>
  make("button", { type: "button", class: `codex-lab-button ${kind && `codex-lab-${kind}`}`.trim(), onclick: onClick }, text);

const CODE = /`([^`\n]+)`/;

/**
 * Return the parts of a message in which only `code` is markup.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export const message = (text) => text.split(CODE).map((part, index) => (index % 2 ? make("code", {}, part) : part));

/**
 * Return a message without the backticks around its code, for a place that shows text only.
 *
 * @param {string} text
 */
export const plainMessage = (text) => text.split(CODE).join("");
