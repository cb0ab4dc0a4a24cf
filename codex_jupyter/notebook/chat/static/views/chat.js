// The view of a chat: the parts, and which of them shows a change.

/** @import { Connection } from "../connection.js" */
/** @import { CellInserter } from "../notebook_cells.js" */
/** @import { Change } from "../store.js" */

import { make } from "../dom.js";
import { createComposer } from "./composer.js";
import { isIn } from "./events.js";
import { createHeader } from "./header.js";
import { createLog } from "./log.js";
import { createNotice } from "./notice.js";
import { createQuestionCard } from "./question_card.js";
import { createQueue } from "./queue.js";
import { createStatus } from "./status.js";

/**
 * What the parts of a chat share.
 *
 * @typedef {object} ChatContext
 * @property {Connection} connection
 * @property {CellInserter} cells
 * @property {HTMLElement} root
 * @property {string} uid the prefix of ids of elements
 * @property {(text: string, transient?: boolean) => void} notify shows a message
 * @property {(text: string) => void} announce lets a screen reader say something
 */

const ENDED = "The kernel has ended. To continue, run %load_ext codex_jupyter and then this cell.";

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
  const root = make("section", { class: "codex-chat", "aria-label": "Codex chat" });
  const notice = createNotice();
  const announcement = make("div", { class: "codex-announcement", role: "status" });
  /** @type {ChatContext} */
  const chat = {
    connection,
    cells,
    root,
    uid: `codex-${Math.random().toString(36).slice(2)}`,
    notify: notice.show,
    announce: (text) => {
      announcement.textContent = text;
    },
  };
  const composer = createComposer(chat);
  const header = createHeader(chat, composer.focus);
  const log = createLog(chat, composer.set);
  const card = createQuestionCard(chat);
  const status = createStatus(state);
  const queue = createQueue(chat, composer.prepend);
  root.append(
    // The live chat hides the saved copy.
    make("style", {}, `.${CSS.escape(model.get("_mark"))} { display: none; }`),
    ...[header, log, card, notice, status, queue, composer].map(({ node }) => node),
    announcement,
  );
  // Keys in the chat are not commands of the notebook. Shortcuts with Ctrl or Cmd, such as saving, are, except those that run cells.
  root.addEventListener("keydown", (event) => {
    const handled = event.defaultPrevented || event.isComposing || isIn(event.target, "select, .codex-head");
    if (event.key === "Escape" && state.meta?.running && !handled) composer.stop();
    if ((!event.ctrlKey && !event.metaKey) || event.key === "Enter") event.stopPropagation();
  });
  el.append(root);

  function showMeta() {
    root.classList.toggle("codex-ended", state.ended);
    if (state.ended) notice.show(ENDED);
    for (const part of [composer, status, log]) part.showMeta(state.meta);
    if (!state.meta) return;
    header.showMeta(state.meta);
    queue.showMeta(state.meta);
  }

  function showQuestion() {
    if (state.question) card.show(state.question);
    showMeta();
  }

  function reset() {
    log.reset();
    if (!state.ended) notice.show("");
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
        break;
      case "update":
        log.update(change.turn, change.blocks);
        break;
      case "end":
        log.end(change.turn);
        break;
      case "meta":
        showMeta();
        break;
      case "question":
        showQuestion();
        break;
      case "stored":
        header.showStored(change.threads);
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
  const ticks = setInterval(status.tick, 1000);
  if (state.secret) reset();
  return () => {
    connection.views.delete(view);
    log.close();
    clearInterval(ticks);
  };
}
