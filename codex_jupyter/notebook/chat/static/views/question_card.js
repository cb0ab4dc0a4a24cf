// The card of a question. Its title, the names of its facts and its choices are the package's. The texts of the facts are not: each is
// shown in its own block, in full and as exact text.

/** @import { Choice, Fact, QuestionCard, QuestionField, QuestionMessage } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make, message, plainMessage, setText } from "../dom.js";
import { isIn } from "./events.js";

/** @type {Record<string, string>} */
const CHOICE_LABELS = {
  accept: "Allow once",
  accept_for_session: "Allow in this session",
  accept_always: "Always allow",
  decline: "Decline",
  cancel: "Decline and stop",
};
/** @type {Record<string, string>} */
const KEYS = { y: "accept", n: "decline", s: "accept_for_session" };
/** A card ignores keys at first: they were typed for something else. */
const KEY_DELAY_MS = 1000;
/** Longer facts are cut, with a button that shows all. */
const MAX_LINES = 20;
const MAX_CHARACTERS = 2000;
/** Facts that are sentences. All others are exact texts. */
const PROSE = ["message", "reason"];
const ESCAPES = "\\x.., \\u....: a character that cannot be seen; {3}: three of it; \\\\x.., \\\\u....: the text itself";
const TEXT_INPUTS = "input, textarea, select";

/**
 * @typedef {object} Field
 * @property {string} id
 * @property {HTMLInputElement} input
 * @property {HTMLLabelElement} label
 */

/** @param {ChatContext} chat */
export function createQuestionCard(chat) {
  const { uid, root, connection } = chat;
  const card = make("section", {
    class: "codex-question",
    role: "alertdialog",
    "aria-labelledby": `${uid}-question`,
    tabindex: "-1",
    hidden: true,
  });
  let choiceRow = make("div", { class: "codex-choices" });
  /** @type {Choice[]} */
  let choices = [];
  /** @type {Field[]} */
  let fields = [];
  /** @type {number | null} */
  let shown = null;
  let shownAt = 0;
  let answered = false;
  /** Whether a permanent choice waits for its confirmation. */
  let confirming = false;

  /** @param {{ choice: string } | { answers: Record<string, string> }} answer */
  async function send(answer) {
    // A second click or key must not answer the next question.
    if (answered || shown === null) return;
    const number = shown;
    answered = true;
    const buttons = [...card.querySelectorAll("button")];
    for (const node of buttons) node.disabled = true;
    const error = await connection.send({ do: "answer", number, ...answer });
    // A refused answer can be corrected.
    if (!error || shown !== number) return;
    answered = false;
    for (const node of buttons) node.disabled = false;
  }

  const sendFields = () => send({ answers: Object.fromEntries(fields.map(({ id, input }) => [id, input.value])) });
  const sendAlways = () => send({ choice: "accept_always" });

  /** @param {Choice} option */
  function choiceButton({ choice, meaning, label = CHOICE_LABELS[choice] ?? choice }) {
    const key = Object.keys(KEYS).find((name) => KEYS[name] === choice);
    const onClick = choice === "accept_always" ? () => askConfirmation(meaning) : () => send({ choice });
    const node = button("", label, plainMessage(meaning), onClick, {
      "aria-label": `${label}: ${plainMessage(meaning)}`,
      "aria-keyshortcuts": key,
      "data-key": key,
      class: choice === "accept" && !fields.length && "codex-first",
    });
    return node;
  }

  /**
   * Ask for a second action before a permanent choice. Its button is not where the first one was, so a double click does not reach it.
   *
   * @param {string} meaning
   */
  function askConfirmation(meaning) {
    confirming = true;
    const attributes = { "aria-label": `Allow for good: ${plainMessage(meaning)}`, "aria-keyshortcuts": "a", "data-key": "a" };
    const confirm = button("", "Allow for good", plainMessage(meaning), sendAlways, attributes);
    choiceRow.replaceChildren(
      make("span", { class: "codex-confirm" }, ...message(`Sure? ${meaning}`)),
      button("", "Back", "Back to the other answers", back),
      confirm,
    );
    card.focus();
  }

  function showChoices() {
    confirming = false;
    const answerButton = button("", "Answer", "Answer: give these answers", sendFields, { class: "codex-first" });
    choiceRow.replaceChildren(...(fields.length ? [answerButton] : []), ...choices.map(choiceButton));
  }

  function back() {
    showChoices();
    card.focus();
  }

  /** @param {QuestionMessage} message */
  function show({ number, question }) {
    if (question && shown === number) return;
    const hadFocus = card.contains(document.activeElement);
    shown = question ? number : null;
    shownAt = performance.now();
    answered = false;
    confirming = false;
    choices = [];
    card.hidden = !question;
    card.replaceChildren();
    if (question) showQuestion(question, hadFocus);
    else if (hadFocus) /** @type {HTMLElement | null} */ (root.querySelector(".codex-log"))?.focus();
  }

  /**
   * @param {QuestionCard} question
   * @param {boolean} hadFocus
   */
  function showQuestion(question, hadFocus) {
    choices = question.choices;
    fields = question.questions.map((field, index) => createField(field, `${uid}-answers-${index}`));
    choiceRow = make("div", { class: "codex-choices" });
    const texts = [...question.facts, ...question.questions].map(({ text }) => text);
    const hasEscapes = texts.some((text) => /\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})/.test(text));
    card.append(
      make("strong", { id: `${uid}-question` }, question.title),
      ...question.facts.map(factNode),
      ...(hasEscapes ? [make("small", { class: "codex-escapes" }, ESCAPES)] : []),
      ...fields.map(({ label }) => label),
      choiceRow,
    );
    showChoices();
    chat.announce(`Codex asks: ${question.title}`);
    // Never take the focus out of a text: the next keys would answer the question.
    const focused = document.activeElement;
    if (hadFocus || (focused && root.contains(focused) && !focused.matches(TEXT_INPUTS))) (fields[0]?.input ?? card).focus();
  }

  card.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing && !event.repeat;
    if (!plain || isIn(event.target, TEXT_INPUTS) || performance.now() - shownAt < KEY_DELAY_MS) return;
    const key = event.key.toLowerCase();
    const choice = KEYS[key];
    if (confirming && key === "a") sendAlways();
    else if (confirming && key === "escape") back();
    else if (!confirming && choice && choices.some((option) => option.choice === choice)) send({ choice });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return { node: card, show };
}

/**
 * @param {QuestionField} field
 * @param {string} listId
 * @returns {Field}
 */
function createField({ id, text, optional, options, hints, secret, value }, listId) {
  const values = options.map((option, index) => make("option", { value: option, label: hints[index] || undefined }));
  const list = make("datalist", { id: listId }, ...values);
  const input = make("input", { class: "codex-name", type: secret ? "password" : "text", value, list: listId, autocomplete: "off" });
  const mark = optional ? [make("small", {}, " (optional)")] : [];
  const label = make("label", {}, make("span", {}, make("span", { class: "codex-prose" }, text), ...mark), input, list);
  return { id, input, label };
}

/** @param {Fact} fact */
function factNode({ name, text }) {
  const content = name === "patch" ? patchLines(text) : [text];
  const body = make("pre", { class: PROSE.includes(name) ? "codex-prose" : "codex-exact" }, ...content);
  const node = make("div", { class: "codex-fact", "data-fact": name }, make("span", {}, name), body);
  const lines = text.split("\n").length;
  if (lines <= MAX_LINES && text.length <= MAX_CHARACTERS) return node;
  body.tabIndex = 0;
  body.classList.add("codex-long");
  const showAll = `Show all: ${lines > 1 ? `${lines} lines, ` : ""}${text.length} characters`;
  const toggle = button(
    "",
    showAll,
    showAll,
    () => {
      const whole = !body.classList.toggle("codex-long");
      setText(toggle.lastChild, whole ? "Show less" : showAll);
      toggle.setAttribute("aria-expanded", String(whole));
    },
    { class: "codex-more", "aria-expanded": "false", "aria-label": undefined },
  );
  node.append(toggle);
  return node;
}

/** @param {string} patch */
function patchLines(patch) {
  /** @type {Record<string, string>} */
  const classes = { "+": "codex-added", "-": "codex-removed" };
  return patch.split("\n").map((line) => {
    const isHeader = /^(\+\+\+|---) /.test(line);
    return make("span", { class: isHeader ? "" : (classes[line.slice(0, 1)] ?? "") }, `${line}\n`);
  });
}
