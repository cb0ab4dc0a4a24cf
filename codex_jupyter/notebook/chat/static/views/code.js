// Copy a text, or insert code into a new cell.

/** @import { ChatContext } from "./chat.js" */

import { icon, make } from "../dom.js";

const CONFIRMATION_MS = 1500;

/**
 * @param {ChatContext} chat
 * @param {string} text
 * @param {HTMLElement} origin the button that was clicked
 */
export async function copyText(chat, text, origin) {
  try {
    await navigator.clipboard.writeText(text);
    confirmOn(chat, origin, "copied");
  } catch {
    chat.notify("The browser does not allow the page to copy. Select the text instead.");
  }
}

/**
 * Return code as a cell of the notebook: Python, or Bash under its cell magic. Return null for other languages.
 *
 * @param {string} text
 * @param {string} language
 * @returns {string | null}
 */
export function cellOf(text, language) {
  const isShell = /^(bash|sh|shell)$/i.test(language);
  if (!isShell && !/^((i?python|py)3?)?$/i.test(language)) return null;
  return (isShell ? "%%bash\n" : "") + text.replace(/\n$/, "");
}

/**
 * Insert code into a new cell below the chat. Copy it where the front end has no cells.
 *
 * @param {ChatContext} chat
 * @param {string} source
 * @param {HTMLElement} origin the button that was clicked
 */
export async function insertCode(chat, source, origin) {
  if (chat.cells.insert(source, chat.connection.state.meta?.id, chat.root)) confirmOn(chat, origin, "inserted");
  else await copyText(chat, source, origin);
}

/**
 * Show a confirmation in the place of a button's content for a moment.
 *
 * @param {ChatContext} chat
 * @param {HTMLElement} node
 * @param {string} text
 */
function confirmOn(chat, node, text) {
  if (node.dataset.flash) return;
  const content = [...node.childNodes];
  node.dataset.flash = text;
  node.replaceChildren(icon("done"), make("span", {}, text));
  chat.announce(text);
  setTimeout(() => {
    node.replaceChildren(...content);
    delete node.dataset.flash;
  }, CONFIRMATION_MS);
}
