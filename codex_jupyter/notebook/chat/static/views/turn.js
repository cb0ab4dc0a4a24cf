// One turn: the prompt, its blocks, and a fold with the facts about it. It inserts HTML: the kernel's renderer made it,
// and it came over the live connection.

/** @import { Block, TurnState } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make, setText } from "../dom.js";
import { formatDuration, formatTime } from "../format.js";
import { withChips } from "./chips.js";
import { cellOf, copyText, insertCode } from "./code.js";

/** Nodes of a growing text after which it cannot start with a fence any more. */
const FENCE_CHECKS = 20;
/** Characters of a prompt in the name of its turn. */
const LABEL_CHARACTERS = 60;
const CONTINUE = "Continue where you stopped.";

/**
 * @param {ChatContext} chat
 * @param {TurnState} turn
 * @param {(turn: TurnState) => void} onEdit called when the prompt is to be edited
 */
export function createTurn(chat, turn, onEdit) {
  const number = turnNumber(turn);
  const where = `of turn ${number}`;
  const summary = make("summary", {});
  const facts = make("details", { class: "codex-facts" }, summary);
  const items = make("div", { class: "codex-items" });
  const bubble = make("div", { class: "codex-prompt", dir: "auto" }, ...withChips(turn.prompt));
  const edit = button("edit", "", `Edit and send again: the prompt ${where}`, () => onEdit(turn), { class: "codex-quiet" });
  const outcome = make("div", { class: "codex-outcome", hidden: true });
  const node = make(
    "article",
    { class: "codex-turn", "aria-label": turnLabel(turn) },
    make(
      "div",
      { class: "codex-user" },
      button("copy", "", `Copy the prompt ${where}`, (event) => copyText(chat, turn.prompt, event.currentTarget), { class: "codex-quiet" }),
      edit,
      bubble,
    ),
    items,
    outcome,
    facts,
  );
  /** @type {Map<string, HTMLElement>} */
  const blocks = new Map();
  /** When the items that still run have started, in milliseconds. */
  /** @type {Map<HTMLElement, number>} */
  const running = new Map();
  /** When the items that wait for the user were seen to wait, in milliseconds. */
  /** @type {Map<HTMLElement, number>} */
  const waiting = new Map();

  /** @param {Block} block */
  function addBlock(block) {
    const element = make("div", { class: `codex-block codex-${block.kind}`, dir: "auto" });
    blocks.set(block.block, element);
    // The footer of a turn that did not complete gives the reason, so it is not folded.
    if (block.kind === "head" || (block.kind === "foot" && turn.status === "completed")) facts.append(element);
    else if (block.kind === "rights") items.prepend(element);
    // The images are a part of what the user said.
    else if (block.kind === "attached") bubble.append(element);
    else items.append(element);
    return element;
  }

  /** @param {Block} block */
  function setBlock(block) {
    const element = blocks.get(block.block) ?? addBlock(block);
    const growing = element.querySelector(":scope > .codex-growing");
    if (growing && block.append !== undefined) grow(growing, block.append);
    else if (growing && block.more !== undefined) {
      const last = growing.previousSibling;
      growing.insertAdjacentHTML("beforebegin", block.more);
      adaptColours(element);
      for (let part = last ? last.nextSibling : element.firstChild; part && part !== growing; part = part.nextSibling)
        chat.announce(part.textContent);
      growing.replaceChildren();
      grow(growing, block.text ?? "");
    } else replaceBlock(element, block);
    if (block.append === undefined && block.more === undefined) {
      waiting.delete(element);
      if (block.running === undefined) running.delete(element);
      else running.set(element, Date.now() - block.running * 1000);
      tick();
    }
  }

  /** Show how long the items have run. An item that waits for the user does not run. */
  function tick() {
    const { ended } = chat.connection.state;
    const question = chat.connection.state.question?.question;
    const asking = question && blocks.get(question.item);
    for (const [element, start] of running) {
      const shown = element.querySelector(":scope > .codex-timer");
      const clock = shown ?? element.appendChild(make("div", { class: "codex-timer", "aria-hidden": "true" }));
      const now = Date.now();
      const waits = Boolean(question) && (asking ?? element) === element;
      const began = start + (waits ? 0 : now - (waiting.get(element) ?? now));
      if (!waits) waiting.delete(element);
      else if (!waiting.has(element)) waiting.set(element, now);
      running.set(element, began);
      const seconds = Math.floor((now - began) / 1000);
      // The item that is asked about says itself that it waits.
      const time = waits ? (asking ? "" : "waiting for you") : seconds > 0 ? formatDuration(seconds) : "";
      setText(clock, ended ? "stopped with the kernel" : time);
    }
  }

  /**
   * @param {HTMLElement} element
   * @param {Block} block
   */
  function replaceBlock(element, block) {
    const growing = element.querySelector(":scope > .codex-growing");
    const isNew = turn.status === "in_progress" && block.kind === "agent_message" && block.text === undefined;
    // The paragraphs above a growing text were announced when they were complete.
    const announced = growing ? countCharacters(element) - countCharacters(growing) : 0;
    if (block.html !== undefined) element.innerHTML = block.html;
    else element.replaceChildren();
    if (block.kind === "steered") element.append(make("div", { class: "codex-prompt", dir: "auto" }, ...withChips(block.source ?? "")));
    adaptColours(element);
    if (isNew) chat.announce(withoutStart(element.textContent ?? "", announced));
    // Blocks of finished items have no text.
    if (block.text !== undefined) grow(element.appendChild(make("div", { class: "codex-growing" })), block.text);
    else if (block.kind === "agent_message")
      addButtons(chat, element, block.source ?? element.textContent ?? "", block.languages ?? [], place(element));
    else if (block.source !== undefined) addRunButtons(element, block.source);
  }

  /**
   * Add the buttons of code that ran in the kernel: to the first block of the item, which shows the code. The others are outputs.
   *
   * @param {HTMLElement} element
   * @param {string} source
   */
  function addRunButtons(element, source) {
    const code = element.querySelector("pre");
    // What the user added to the turn has a source, too.
    if (!code) return;
    element.dataset.code = "run";
    const run = [...blocks.values()].filter(({ dataset }) => dataset.code !== undefined).indexOf(element) + 1;
    addCodeButtons(chat, code, source, "python", `run ${run} in the kernel, ${where}`);
  }

  /**
   * Return the place of a message, for the names of its buttons.
   *
   * @param {HTMLElement} element
   */
  function place(element) {
    const before = [...blocks.values()].filter(({ classList }) => classList.contains("codex-agent_message")).indexOf(element);
    return before > 0 ? `of message ${before + 1} ${where}` : where;
  }

  function end() {
    const foot = blocks.get("foot");
    const completed = turn.status === "completed";
    node.dataset.status = turn.status;
    if (foot) (completed ? facts : items).append(foot);
    facts.hidden = turn.status === "in_progress";
    edit.hidden = facts.hidden || Boolean(chat.connection.state.meta?.locked);
    if (!facts.hidden) running.clear();
    for (const clock of facts.hidden ? [] : items.querySelectorAll(".codex-timer")) clock.remove();
    showOutcome();
    summary.textContent = [formatTime(turn.at), completed && turn.took].filter(Boolean).join(" · ") || "details";
    node.setAttribute("aria-busy", String(turn.status === "in_progress"));
  }

  /** Offer what a user does next: take the turn back, and after a turn that did not complete also to repeat or continue it. */
  function showOutcome() {
    outcome.hidden = turn.status === "in_progress" || Boolean(chat.connection.state.meta?.locked);
    if (outcome.hidden || outcome.hasChildNodes()) return;
    const send = (/** @type {string} */ text) => chat.connection.send({ do: "send", text });
    if (turn.status !== "completed" && !turn.undone)
      outcome.append(
        button("retry", "Retry", `Retry turn ${number}`, () => chat.connection.send({ do: "again", turn: turn.id, text: "" })),
        button("send", "Continue", `Continue after turn ${number}`, () => send(CONTINUE)),
      );
    const [name, label] = turn.undone ? ["Redo", `Redo what was undone: turn ${number}`] : ["Undo", `Undo turn ${number} and later ones`];
    const preview = () => chat.connection.send({ do: "undo", turn: turn.id, redo: Boolean(turn.undone) });
    outcome.append(button(turn.undone ? "redo" : "undo", name, label, preview, { class: "codex-subtle" }));
  }

  for (const block of turn.blocks) setBlock(block);
  end();
  return { node, setBlock, end, tick };
}

/**
 * Return the number of a turn in its thread, from 1. Its id ends with the number from 0.
 *
 * @param {TurnState} turn
 */
export const turnNumber = (turn) => Number(turn.id.slice(turn.id.lastIndexOf(":") + 1)) + 1;

/** @param {TurnState} turn */
function turnLabel(turn) {
  const prompt = turn.prompt.replace(/\s+/g, " ").trim();
  return `Turn ${turnNumber(turn)}: ${prompt.length > LABEL_CHARACTERS ? `${prompt.slice(0, LABEL_CHARACTERS)}…` : prompt}`;
}

/**
 * Give the style sheet the text colours of the kernel's renderer, which it makes darker or lighter to suit the page.
 *
 * @param {HTMLElement} element
 */
export function adaptColours(element) {
  for (const node of element.querySelectorAll("[style*='color:#']"))
    if (node instanceof HTMLElement && node.style.color) node.style.setProperty("--tone", node.style.color);
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
 * Return the number of characters of a text. White space does not count: paragraphs of their own have less of it than a whole message.
 *
 * @param {Element} node
 */
const countCharacters = (node) => (node.textContent ?? "").replace(/\s+/g, "").length;

/**
 * Return a text without its first characters.
 *
 * @param {string} text
 * @param {number} count as `countCharacters` counts
 */
function withoutStart(text, count) {
  let left = count;
  let index = 0;
  for (; left > 0 && index < text.length; index += 1) if (/\S/.test(text.charAt(index))) left -= 1;
  return text.slice(index);
}

/**
 * Add the buttons of a message and of each code block in it.
 *
 * @param {ChatContext} chat
 * @param {HTMLElement} node
 * @param {string} source
 * @param {string[]} languages
 * @param {string} where the place of the message, for the names of the buttons
 */
function addButtons(chat, node, source, languages, where) {
  node.querySelectorAll("pre").forEach((code, index) => {
    addCodeButtons(chat, code, code.textContent ?? "", languages[index] ?? "", `block ${index + 1} ${where}`);
  });
  const copy = button("copy", "", `Copy the message ${where}`, (event) => copyText(chat, source, event.currentTarget), {
    class: "codex-quiet codex-corner",
  });
  node.prepend(copy);
}

/**
 * Add the buttons of a block of code.
 *
 * @param {ChatContext} chat
 * @param {Element} code
 * @param {string} text
 * @param {string} language
 * @param {string} place the place of the code, for the names of the buttons
 */
function addCodeButtons(chat, code, text, language, place) {
  const cell = cellOf(text, language);
  const insert =
    cell === null
      ? []
      : [button("insert", "Insert", `Insert the code into a new cell: ${place}`, (event) => insertCode(chat, cell, event.currentTarget))];
  const frame = make("div", { class: "codex-code" });
  code.replaceWith(frame);
  frame.append(
    make(
      "div",
      { class: "codex-tools" },
      make("span", { class: "codex-language" }, language),
      button("copy", "Copy", `Copy the code of ${place}`, (event) => copyText(chat, text, event.currentTarget)),
      ...insert,
    ),
    code,
  );
}
