// The conversation: a scrolling list of turns.

/** @import { Block, MetaMessage, TurnState } from "../protocol.js" */
/** @import { ChatContext } from "./chat.js" */

import { button, make } from "../dom.js";
import { countTurns } from "../format.js";
import { createTurn } from "./turn.js";

/** Pixels. A reader this close to the end of the log follows it. */
const NEAR_END = 60;
/**
 * @param {ChatContext} chat
 * @param {(text: string) => void} onIdea called with the text of an idea that was clicked
 * @param {(turn: TurnState) => void} onEdit called with the turn whose prompt is to be edited
 */
export function createLog(chat, onIdea, onEdit) {
  const { connection } = chat;
  const { state } = connection;
  const turns = make("div");
  const name = { role: "log", "aria-live": "off", "aria-label": "Conversation with Codex" };
  const log = make("div", { class: "codex-log", ...name, tabindex: "0" }, turns);
  const jump = button("down", "Newest", "Go to the newest message", showEnd, { class: "codex-jump", hidden: true });
  const offer = createOffer(chat);
  const ideas = make("div", { class: "codex-ideas" });
  const empty = make(
    "div",
    { class: "codex-empty" },
    make("strong", {}, "What should Codex do?"),
    make("p", {}, "It sees this notebook, works in its folder, and shares the thread with your %%codex cells."),
    ideas,
    offer.node,
  );
  /** @type {Map<string, ReturnType<typeof createTurn>>} */
  const views = new Map();
  let follows = true;
  let requestedBefore = 0;
  /** The position that was last set or seen. A move of the log in the page loses the real one, without an event. */
  let scrollTop = 0;
  /** The last text that was searched for, and the turn that contains it. */
  /** @type {{ text: string, node?: HTMLElement | undefined }} */
  let found = { text: "" };

  function scrollToEnd() {
    if (follows) {
      log.scrollTop = log.scrollHeight;
      // The event comes later, when the log may have grown again. It must not look as if the user had scrolled up.
      ({ scrollTop } = log);
    }
    jump.hidden = follows;
  }

  function showEnd() {
    follows = true;
    scrollToEnd();
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
  // Starts when the log is shown, and each time that it was taken out of the page and came back.
  log.addEventListener("animationstart", ({ target }) => {
    if (target === log && !follows) log.scrollTop = scrollTop;
    scrollToEnd();
  });
  // Once before each paint: a layout for each increment would make typing slow.
  const resized = new ResizeObserver(scrollToEnd);
  for (const node of [log, turns]) resized.observe(node);

  /** @param {TurnState} turn */
  function turnNode(turn) {
    const view = createTurn(chat, turn, onEdit);
    views.set(turn.id, view);
    return view.node;
  }

  function showEmpty() {
    empty.hidden = state.turns.length > 0;
    requestIdeas();
  }

  /** The notebook may have changed since the ideas were shown. */
  function requestIdeas() {
    if (!state.turns.length && state.secret && !state.ended) connection.send({ do: "ideas" });
  }
  empty.addEventListener("pointerenter", requestIdeas);

  const nodes = () => state.turns.flatMap(({ id }) => views.get(id)?.node ?? []);

  /**
   * Go to the next turn above that contains a text, or else to the last one. The kernel searches the turns that are not loaded.
   *
   * @param {string} text
   */
  async function find(text) {
    if (!text) {
      chat.notify("Add the text to search for: /find TEXT", true);
      return;
    }
    const loaded = nodes();
    const matching = loaded.filter((node) => node.textContent?.toLowerCase().includes(text.toLowerCase()));
    const last = text === found.text ? loaded.findIndex((node) => node === found.node) : loaded.length;
    let next = matching.filter((node) => loaded.indexOf(node) < last).at(-1);
    if (!next && state.start > 0) {
      const { start } = state;
      await connection.send({ do: "find", text, before: start });
      // The first turn that came is the one with the text.
      if (state.start < start) next = nodes()[0];
    }
    showFound(text, next ?? matching.at(-1));
  }

  /**
   * @param {string} text
   * @param {HTMLElement | undefined} node the turn that contains it
   */
  function showFound(text, node) {
    for (const other of nodes()) other.classList.toggle("codex-found", other === node);
    found = { text, node };
    if (!node) {
      chat.notify(`“${text}” is not in this conversation.`, true);
      return;
    }
    follows = false;
    node.scrollIntoView({ block: "start" });
    chat.announce(`Found in ${node.getAttribute("aria-label")}`);
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
      follows = true;
      // Reports the next layout also if the new turns are as high as the earlier ones.
      resized.unobserve(turns);
      resized.observe(turns);
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
    find,
    /** Show the running times of items. */
    tick: () => views.get(state.turns.at(-1)?.id ?? "")?.tick(),
    /** @param {string[]} texts */
    showIdeas: (texts) => ideas.replaceChildren(...texts.map((text) => button("", text, text, () => onIdea(text)))),
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
