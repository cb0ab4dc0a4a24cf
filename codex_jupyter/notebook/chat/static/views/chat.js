// The view of a chat: the parts, and which of them shows a change.

/** @import { Connection } from "../connection.js" */
/** @import { CellInserter } from "../notebook_cells.js" */
/** @import { Change } from "../store.js" */

import { make } from "../dom.js";
import { createAnnouncer } from "./announcer.js";
import { createAttention } from "./attention.js";
import { createChanges } from "./changes.js";
import { createCommands } from "./commands.js";
import { createComposer } from "./composer.js";
import { isIn } from "./events.js";
import { createHeader } from "./header.js";
import { createLog } from "./log.js";
import { createNotice } from "./notice.js";
import { createQuestionCard } from "./question_card.js";
import { createQueue } from "./queue.js";
import { createStatus } from "./status.js";
import { createUndoCard } from "./undo_card.js";

/**
 * What the parts of a chat share.
 *
 * @typedef {object} ChatContext
 * @property {Connection} connection
 * @property {CellInserter} cells
 * @property {HTMLElement} root
 * @property {string} uid the prefix of ids of elements
 * @property {(text: string, transient?: boolean) => void} notify shows a message
 * @property {(text?: string | null) => void} announce lets a screen reader say something
 */

const ENDED = "The kernel has ended. To continue, run %load_ext codex_jupyter and then this cell.";
/** @type {Record<string, string>} */
const END_TEXTS = {
  completed: "Codex has finished.",
  failed: "The turn failed.",
  interrupted: "The turn was stopped.",
  timed_out: "The turn took too long and was stopped.",
};

/**
 * Show a chat in an element. Return a function that removes the view.
 *
 * @param {Connection} connection
 * @param {CellInserter} cells
 * @param {HTMLElement} el
 * @returns {() => void}
 */
export function renderChat(connection, cells, el) {
  const { state, model } = connection;
  const root = make("section", { class: "codex-chat", "aria-label": "Codex chat", hidden: true });
  const notice = createNotice();
  const announcer = createAnnouncer();
  /** @type {ChatContext} */
  const chat = {
    connection,
    cells,
    root,
    uid: `codex-${Math.random().toString(36).slice(2)}`,
    notify: notice.show,
    announce: announcer.say,
  };
  const composer = createComposer(chat);
  const log = createLog(chat, composer.set, composer.edit);
  const attention = createAttention((text) => notice.show(text, true));
  const header = createHeader(chat, { focus: composer.focus, find: log.find, attention });
  const changes = createChanges();
  const undo = createUndoCard(chat);
  const card = createQuestionCard(chat);
  const status = createStatus(state, announcer.say);
  const queue = createQueue(chat, composer.prepend);
  composer.setCommands(
    createCommands(chat, {
      showThreads: header.showThreads,
      askDelete: header.askDelete,
      find: log.find,
      stop: composer.stop,
      retry: () => connection.send({ do: "again", turn: state.turns.at(-1)?.id ?? "", text: "" }),
    }),
  );
  root.append(...[header, log, changes, undo, card, notice, status, queue, composer, announcer].map(({ node }) => node));
  // Keys in the chat are not commands of the notebook. Shortcuts with Ctrl or Cmd, such as saving, are, except those that run cells.
  root.addEventListener("keydown", (event) => {
    const handled = event.defaultPrevented || event.isComposing || isIn(event.target, "select, .codex-head");
    if (event.key === "Escape" && state.meta?.running && !handled) composer.stop();
    if ((!event.ctrlKey && !event.metaKey) || event.key === "Enter") event.stopPropagation();
  });
  el.append(root);

  /** Show the chat instead of its saved copy, once it is known that a kernel answers: the page can be that of a saved notebook. */
  function showLive() {
    if (!root.hidden) return;
    root.hidden = false;
    root.append(make("style", {}, `.${CSS.escape(model.get("_mark"))} { display: none; }`));
  }

  function showMeta() {
    root.classList.toggle("codex-ended", state.ended);
    if (state.ended) notice.show(ENDED);
    for (const part of [composer, status, log]) part.showMeta(state.meta);
    if (!state.meta) return;
    if (!state.ended) notice.showOnce(state.meta.loss);
    header.showMeta(state.meta);
    queue.showMeta(state.meta);
  }

  function showQuestion() {
    if (state.question) card.show(state.question);
    if (state.question?.question) attention.asked();
    log.tick();
    showMeta();
  }

  function reset() {
    showLive();
    log.reset();
    if (!state.ended) notice.clear();
    showQuestion();
  }

  /** @param {Change} change */
  function apply(change) {
    switch (change.kind) {
      case "reset":
        reset();
        break;
      case "prepend":
        log.prepend(change.turns);
        break;
      case "append":
        log.append(change.turn);
        announcer.say("Codex is working.");
        attention.started();
        break;
      case "update":
        log.update(change.turn, change.blocks);
        break;
      case "end":
        log.end(change.turn);
        announcer.say(END_TEXTS[change.turn.status] ?? "The turn has ended.");
        attention.ended(END_TEXTS[change.turn.status] ?? "The turn has ended.");
        break;
      case "meta":
        showMeta();
        break;
      case "question":
        showQuestion();
        break;
      default:
        showAnswer(change);
    }
  }

  /** @param {Change} change */
  function showAnswer(change) {
    switch (change.kind) {
      case "stored":
        header.showStored(change.message);
        break;
      case "progress":
        composer.showUsage();
        status.showMeta(state.meta);
        break;
      case "ideas":
        log.showIdeas(change.ideas);
        break;
      case "diff":
        changes.show(change.html);
        break;
      case "undo":
        undo.show(change.preview);
        break;
      case "notice":
        notice.show(change.text, true);
        break;
      case "plots":
        composer.showPlots(change.plots);
        break;
      case "offers":
        composer.showMentions(change.offers);
        break;
      default:
      // The connection handles the other changes.
    }
  }

  const view = { apply, notify: notice.show, followEnd: log.followEnd };
  connection.views.add(view);
  const ticks = setInterval(() => {
    status.tick();
    log.tick();
  }, 1000);
  if (state.secret) reset();
  return () => {
    connection.views.delete(view);
    log.close();
    announcer.close();
    attention.close();
    clearInterval(ticks);
  };
}
