// Build elements. Texts of the agent and of files are set as text only.

const SVG = "http://www.w3.org/2000/svg";
/** @type {Record<string, string>} */
const ICONS = {
  new: "M8 3v10M3 8h10",
  rename: "M10.8 2.6l2.6 2.6-7.9 7.9-3.1.5.5-3.1zM9.2 4.2l2.6 2.6",
  fork: "M4.5 6v4.2M4.5 6a1.7 1.7 0 1 0 0-.01M4.5 13.6a1.7 1.7 0 1 0 0-.01M11.5 6a1.7 1.7 0 1 0 0-.01M11.5 6c0 2.6-2 3-7 3.2",
  resume: "M2.6 8a5.4 5.4 0 1 0 1.8-4M4.6 1.8v2.6H2M8 5v3.2l2.2 1.4",
  attach: "M13 7.4l-5.3 5.3a3.1 3.1 0 0 1-4.4-4.4l5.6-5.6a2.1 2.1 0 0 1 3 3L6.4 11.200a1 1 0 0 1-1.5-1.500l4.9-4.9",
  plots: "M2.5 2.500v11h11M4.8 10.500l2.7-3.2 2.2 1.7 3.3-4.5",
  copy: "M5.5 5.500h8v8h-8zM3.5 10.500h-1v-8h8v1",
  insert: "M2.5 2.500h11v5h-11zM8 10v4M6 12h4",
  done: "M3 8.500l3.3 3.300L13 4.8",
  close: "M4 4l8 8M12 4l-8 8",
  send: "M8 13V3.200M3.8 7.400L8 3.200l4.2 4.2",
  queue: "M2.5 4h11M2.5 8h11M2.5 12h6",
  steer: "M3 13V9.500a3 3 0 0 1 3-3h7M10 3.500l3 3-3 3",
  stop: "M4.5 4.500h7v7h-7z",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  archive: "M2.5 3.500h11v3h-11zM3.500 6.500v6h9v-6M6.500 9h3",
  delete: "M3 4.500h10M6.500 4.500v-2h3v2M4.500 4.500l.6 8.500h5.800l.6-8.500",
  edit: "M10.8 2.600l2.600 2.600-7.900 7.900-3.100.5.5-3.100z",
  undo: "M5.500 3L2.500 6l3 3M2.500 6h7a3.500 3.500 0 0 1 0 7H6",
  redo: "M10.500 3l3 3-3 3M13.500 6h-7a3.500 3.500 0 0 0 0 7H10",
  retry: "M13.400 8a5.400 5.400 0 1 1-1.800-4M11.400 1.800v2.600h2.600",
  down: "M8 3v9.500M3.8 8.500L8 12.700l4.2-4.2",
};

/** @typedef {Record<string, string | boolean | undefined | ((event: any) => unknown)>} Attributes */

/**
 * Return a new element. Attributes whose name starts with `on` are event listeners. For `onclick`, a double click is one click.
 * False and undefined leave an attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), name === "onclick" ? firstOf(value) : value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
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
 * Return an icon. Screen readers ignore it.
 *
 * @param {string} name
 */
export function icon(name) {
  const node = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const attributes = { viewBox: "0 0 16 16", "aria-hidden": "true", "data-icon": name };
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  path.setAttribute("d", ICONS[name] ?? "");
  node.append(path);
  return node;
}

/**
 * Return a button with an icon, a text, or both.
 *
 * @param {string} iconName
 * @param {string} text
 * @param {string} title describes the action; also the accessible name, unless the attributes have another
 * @param {(event: MouseEvent & { currentTarget: HTMLButtonElement }) => unknown} onClick
 * @param {Attributes} [attributes]
 */
export function button(iconName, text, title, onClick, attributes = {}) {
  return make(
    "button",
    { type: "button", title, "aria-label": title, onclick: onClick, ...attributes },
    ...(iconName ? [icon(iconName)] : []),
    ...(text ? [make("span", {}, text)] : []),
  );
}

/**
 * Return an image. Only data URLs are shown, so that nothing is fetched.
 *
 * @param {string} url
 * @param {string} caption
 */
export const image = (url, caption) => make("img", { src: url.startsWith("data:image/") ? url : "", alt: caption });

/**
 * Set a text, if it is another one: a screen reader would read it again.
 *
 * @param {Node | null} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

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
