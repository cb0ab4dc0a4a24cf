// Show code exactly: each character that cannot be seen, or that moves the text around it, becomes an escape with a frame.

import { make } from "./dom.js";

/** Characters without ink that do not belong to the categories and the property; see `_visible_text.py`. */
const BLANK = [0x2800, 0xfffc, 0x13441, 0x13442, 0x16fe4, 0x1d159].map((code) => String.fromCodePoint(code)).join("|");
const HIDDEN = new RegExp(`((?![ \\t])(?:\\p{C}|\\p{Z}|\\p{Default_Ignorable_Code_Point}|${BLANK}))`, "u");

/**
 * Return the parts of a line: its text, and an element for each hidden character.
 *
 * @param {string} line
 * @returns {(string | HTMLElement)[]}
 */
export function visible(line) {
  return line.split(HIDDEN).map((part, index) => (index % 2 ? make("span", { class: "codex-lab-hidden" }, escapeOf(part)) : part));
}

/** @param {string} character */
function escapeOf(character) {
  const digits = (character.codePointAt(0) ?? 0).toString(16);
  if (digits.length <= 2) return `\\x${digits.padStart(2, "0")}`;
  return digits.length <= 4 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}
