// The conversation: a scrolling list of turns.

/** @import { Block, MetaMessage, TurnState } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, countTurns, make } from "../dom.js";
import { createTurn } from "./turn.js";

/** Pixels. A reader this close to the end of the log follows it. */
const NEAR_END = 60;
const IDEAS = [
  "Explain the error of the last cell and how to fix it.",
  "Describe the variables of this notebook.",
  "Write a test for the function ",
];

/**
 * @param {ChatContext} chat
 * @param {(text: string) => void} onIdea called with the text of an idea that was clicked
 */
export function createLog(chat, onIdea) {
  const { connection } = chat;
  const { state } = connection;
  const turns = make("div");
  const log = make("div", { class: "codex-log", role: "log", "aria-label": "Conversation with Codex", tabindex: "0" }, turns);
  const jump = button("down", "Newest", "Go to the newest message", () => scrollToEnd(true), { class: "codex-jump", hidden: true });
  const offer = createOffer(chat);
  const empty = make(
    "div",
    { class: "codex-empty" },
    make("strong", {}, "What should Codex do?"),
    make("p", {}, "It sees this notebook, works in its folder, and shares the thread with your %%codex cells."),
    make("div", { class: "codex-ideas" }, ...IDEAS.map((text) => button("", text, text, () => onIdea(text)))),
    offer.node,
  );
  /** @type {Map<string, ReturnType<typeof createTurn>>} */
  const views = new Map();
  let follows = true;
  let requestedBefore = 0;
  let scrollTop = 0;

  /** @param {boolean} [always] */
  function scrollToEnd(always = false) {
    if (always) follows = true;
    if (follows) log.scrollTop = log.scrollHeight;
    jump.hidden = follows;
  }

  log.addEventListener("scroll", () => {
    // Only scrolling up stops following. A log that grew is scrolled away from its end, too.
    if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END) follows = true;
    else if (log.scrollTop < scrollTop) follows = false;
    scrollTop = log.scrollTop;
    jump.hidden = follows;
    if (log.scrollTop < NEAR_END && state.start > 0 && requestedBefore !== state.start) {
      requestedBefore = state.start;
      connection.send({ do: "earlier", before: state.start });
    }
  });
  // Once before each paint: a layout for each increment would make typing slow.
  const resized = new ResizeObserver(() => scrollToEnd());
  for (const node of [log, turns]) resized.observe(node);

  /** @param {TurnState} turn */
  function turnNode(turn) {
    const view = createTurn(chat, turn);
    views.set(turn.id, view);
    return view.node;
  }

  function showEmpty() {
    empty.hidden = state.turns.length > 0;
  }

  turns.append(empty);
  return {
    node: make("div", { class: "codex-scroll" }, log, jump),
    showMeta: offer.showMeta,
    reset() {
      views.clear();
      requestedBefore = 0;
      turns.replaceChildren(empty, ...state.turns.map(turnNode));
      showEmpty();
      requestAnimationFrame(() => scrollToEnd(true));
    },
    /** @param {TurnState[]} earlier */
    prepend(earlier) {
      const below = log.scrollHeight - log.scrollTop;
      empty.after(...earlier.map(turnNode));
      log.scrollTop = log.scrollHeight - below;
    },
    /** @param {TurnState} turn */
    append(turn) {
      turns.append(turnNode(turn));
      showEmpty();
    },
    /**
     * @param {TurnState} turn
     * @param {Block[]} blocks
     */
    update(turn, blocks) {
      for (const block of blocks) views.get(turn.id)?.setBlock(block);
    },
    /** @param {TurnState} turn */
    end: (turn) => views.get(turn.id)?.end(),
    followEnd: () => {
      follows = true;
    },
    close: () => resized.disconnect(),
  };
}

/**
 * Return the offer to continue a thread of the saved outputs. The outputs can be anyone's, so the user decides.
 *
 * @param {ChatContext} chat
 */
function createOffer({ connection }) {
  const node = make("div", { class: "codex-offer", hidden: true });
  return {
    node,
    /** @param {MetaMessage | null} meta */
    showMeta(meta) {
      const offer = meta?.offer;
      node.hidden = !offer;
      if (!offer || node.dataset.id === offer.id) return;
      node.dataset.id = offer.id;
      const text = `The saved outputs of this notebook name an earlier thread (${countTurns(offer.turns)}), last: `;
      const resume = () => connection.send({ do: "thread", how: "resume", name: offer.id });
      node.replaceChildren(
        make("p", {}, text, make("q", { dir: "auto" }, offer.prompt || "(no prompt)")),
        button("resume", "Continue it", `Continue thread ${offer.id}`, resume),
      );
    },
  };
}
