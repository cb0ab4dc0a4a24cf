// One turn: the prompt, its blocks, and a fold with the facts about it. The only place that inserts HTML: the kernel's renderer made it,
// and it came over the live connection.

/** @import { Block, TurnState } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, formatTime, make } from "../dom.js";
import { cellOf, copyText, insertCode } from "./code.js";

/** Nodes of a growing text after which it cannot start with a fence any more. */
const FENCE_CHECKS = 20;

/**
 * @param {ChatContext} chat
 * @param {TurnState} turn
 */
export function createTurn(chat, turn) {
  const summary = make("summary", {});
  const facts = make("details", { class: "codex-facts" }, summary);
  const items = make("div", { class: "codex-items" });
  const node = make(
    "article",
    { class: "codex-turn", "aria-label": "Turn" },
    make(
      "div",
      { class: "codex-user" },
      button("copy", "", "Copy the prompt", (event) => copyText(chat, turn.prompt, event.currentTarget), { class: "codex-quiet" }),
      make("div", { class: "codex-prompt", dir: "auto" }, turn.prompt),
    ),
    items,
    facts,
  );
  /** @type {Map<string, HTMLElement>} */
  const blocks = new Map();

  /** @param {Block} block */
  function addBlock(block) {
    const element = make("div", { class: `codex-block codex-${block.kind}`, dir: "auto" });
    blocks.set(block.block, element);
    // The footer of a turn that did not complete gives the reason, so it is not folded.
    if (block.kind === "head" || (block.kind === "foot" && turn.status === "completed")) facts.append(element);
    else if (block.kind === "rights") items.prepend(element);
    else items.append(element);
    return element;
  }

  /** @param {Block} block */
  function setBlock(block) {
    const element = blocks.get(block.block) ?? addBlock(block);
    const growing = element.querySelector(":scope > .codex-growing");
    if (growing && block.append !== undefined) grow(growing, block.append);
    else if (growing && block.more !== undefined) {
      growing.insertAdjacentHTML("beforebegin", block.more);
      growing.replaceChildren();
      grow(growing, block.text ?? "");
    } else replaceBlock(element, block);
  }

  /**
   * @param {HTMLElement} element
   * @param {Block} block
   */
  function replaceBlock(element, block) {
    if (block.html !== undefined) element.innerHTML = block.html;
    else element.replaceChildren();
    // Blocks of finished items have no text.
    if (block.text !== undefined) grow(element.appendChild(make("div", { class: "codex-growing" })), block.text);
    else if (block.kind === "agent_message") addButtons(chat, element, block.source ?? element.textContent ?? "", block.languages ?? []);
  }

  function end() {
    const foot = blocks.get("foot");
    const completed = turn.status === "completed";
    node.dataset.status = turn.status;
    if (foot) (completed ? facts : items).append(foot);
    facts.hidden = turn.status === "in_progress";
    summary.textContent = [formatTime(turn.at), completed && turn.took].filter(Boolean).join(" · ") || "details";
    node.setAttribute("aria-busy", String(turn.status === "in_progress"));
  }

  for (const block of turn.blocks) setBlock(block);
  end();
  return { node, setBlock, end };
}

/**
 * Add to a growing text. Text that starts with a fence is shown as code.
 *
 * @param {Element} node
 * @param {string} text
 */
function grow(node, text) {
  node.append(text);
  if (node.childNodes.length < FENCE_CHECKS) node.classList.toggle("codex-fenced", /^(```|~~~)/.test(node.textContent ?? ""));
}

/**
 * Add the buttons of a message and of each code block in it.
 *
 * @param {ChatContext} chat
 * @param {HTMLElement} node
 * @param {string} source
 * @param {string[]} languages
 */
function addButtons(chat, node, source, languages) {
  node.querySelectorAll("pre").forEach((code, index) => {
    const text = code.textContent ?? "";
    const language = languages[index] ?? "";
    const cell = cellOf(text, language);
    const insert =
      cell === null
        ? []
        : [button("insert", "Insert", "Insert the code into a new cell", (event) => insertCode(chat, cell, event.currentTarget))];
    const frame = make("div", { class: "codex-code" });
    code.replaceWith(frame);
    frame.append(
      make(
        "div",
        { class: "codex-tools" },
        make("span", { class: "codex-language" }, language),
        button("copy", "Copy", "Copy the code", (event) => copyText(chat, text, event.currentTarget)),
        ...insert,
      ),
      code,
    );
  });
  const copy = button("copy", "", "Copy the message", (event) => copyText(chat, source, event.currentTarget), {
    class: "codex-quiet codex-corner",
  });
  node.prepend(copy);
}
