// The state of a chat in the page. Nothing here uses the document, a timer or the connection.

/** @import { Block, DoneMessage, Mention, Message, MetaMessage, Plot, QuestionMessage, StoredMessage, TurnState } from "./protocol.js" */
/** @import { UndoPreview } from "./protocol.js" */

/**
 * @typedef {object} ChatState
 * @property {TurnState[]} turns the turns that the page has, oldest first
 * @property {number} start the number of the first of them in the thread
 * @property {MetaMessage | null} meta
 * @property {number} metaAt when `meta` was received, in milliseconds
 * @property {QuestionMessage | null} question
 * @property {string} secret empty until the first state was received
 * @property {number} sequence the number of the last message
 * @property {boolean} ended whether the kernel has ended
 */

/**
 * @typedef {{ kind: "resync" } | { kind: "reset" } | { kind: "meta" } | { kind: "question" }
 *   | { kind: "prepend", turns: TurnState[] }
 *   | { kind: "append", turn: TurnState }
 *   | { kind: "update", turn: TurnState, blocks: Block[] }
 *   | { kind: "end", turn: TurnState, copy: number }
 *   | { kind: "stored", message: StoredMessage }
 *   | { kind: "plots", plots: Plot[] }
 *   | { kind: "offers", offers: Mention[] }
 *   | { kind: "undo", preview: UndoPreview }
 *   | { kind: "progress" } | { kind: "ideas", ideas: string[] } | { kind: "diff", html: string } | { kind: "notice", text: string }
 *   | { kind: "copy", bundle: Record<string, any> }
 *   | { kind: "done", id: DoneMessage["id"], error: string }} Change
 */

/**
 * Return the state of a chat that has received nothing yet.
 *
 * @returns {ChatState}
 */
export function newState() {
  return { turns: [], start: 0, meta: null, metaAt: 0, question: null, secret: "", sequence: 0, ended: false };
}

/**
 * Add a message to the state. Return what changed, for the connection and the views.
 *
 * A gap in the sequence means that a message was lost. The page then asks for the whole state. Until it comes, changes of turns are
 * ignored, because they build on each other.
 *
 * @param {ChatState} state
 * @param {Message} message
 * @param {number} now in milliseconds
 * @returns {Change[]}
 */
export function receive(state, message, now) {
  const lost = message.type !== "state" && message.sequence !== state.sequence + 1;
  state.sequence = message.sequence;
  const incomplete = lost || !state.secret;
  // The connection asks for the first state itself.
  const resync = lost && Boolean(state.secret);
  const changes = incomplete && ["turn", "blocks", "end"].includes(message.type) ? [] : apply(state, message, now);
  return resync ? [{ kind: "resync" }, ...changes] : changes;
}

/**
 * @param {ChatState} state
 * @param {Message} message
 * @param {number} now
 * @returns {Change[]}
 */
function apply(state, message, now) {
  switch (message.type) {
    case "state":
      Object.assign(state, { turns: message.turns, start: message.start, secret: message.secret, ended: false });
      return [{ kind: "reset" }];
    case "earlier":
      return prependTurns(state, message.turns, message.start);
    case "meta":
      Object.assign(state, { meta: message, metaAt: now });
      return [{ kind: "meta" }];
    case "turn":
      return appendTurn(state, { id: message.id, prompt: message.prompt, at: message.at, status: "in_progress", blocks: [] });
    case "blocks":
      return updateTurn(state, message.turn, message.blocks);
    case "end":
      return endTurn(state, message.turn, message);
    case "question":
      state.question = message;
      return [{ kind: "question" }];
    default:
      return passOn(state, message);
  }
}

/**
 * Return the change for a message that the views show and do not keep.
 *
 * @param {ChatState} state
 * @param {Message} message
 * @returns {Change[]}
 */
function passOn(state, message) {
  switch (message.type) {
    case "stored":
      return [{ kind: "stored", message }];
    case "progress":
      if (state.meta) Object.assign(state.meta, { action: message.action, waits: message.waits, usage: message.usage });
      return [{ kind: "progress" }];
    case "ideas":
      return [{ kind: "ideas", ideas: message.ideas }];
    case "diff":
      return [{ kind: "diff", html: message.html }];
    case "undo":
      return [{ kind: "undo", preview: message.preview }];
    case "notice":
      return [{ kind: "notice", text: message.text }];
    case "plots":
      return [{ kind: "plots", plots: message.plots }];
    case "offers":
      return [{ kind: "offers", offers: message.offers }];
    case "copy":
      return [{ kind: "copy", bundle: message.bundle }];
    case "done":
      return [{ kind: "done", id: message.id, error: message.error }];
    default:
      // A newer kernel may send more kinds of messages.
      return [];
  }
}

/**
 * @param {ChatState} state
 * @param {TurnState[]} turns
 * @param {number} start
 * @returns {Change[]}
 */
function prependTurns(state, turns, start) {
  // Two views can ask for the same turns.
  if (start >= state.start) return [];
  state.turns.unshift(...turns);
  state.start = start;
  return [{ kind: "prepend", turns }];
}

/**
 * @param {ChatState} state
 * @param {TurnState} turn
 * @returns {Change[]}
 */
function appendTurn(state, turn) {
  state.turns.push(turn);
  return [{ kind: "append", turn }];
}

/**
 * @param {ChatState} state
 * @param {string} id
 * @param {Block[]} blocks
 * @returns {Change[]}
 */
function updateTurn(state, id, blocks) {
  const turn = state.turns.find((candidate) => candidate.id === id);
  if (!turn) return [];
  for (const block of blocks) mergeBlock(turn, block);
  return [{ kind: "update", turn, blocks }];
}

/**
 * @param {ChatState} state
 * @param {string} id
 * @param {{ status: string, took: string, copy: number }} end
 * @returns {Change[]}
 */
function endTurn(state, id, { status, took, copy }) {
  const turn = state.turns.find((candidate) => candidate.id === id);
  if (!turn) return [];
  Object.assign(turn, { status, took });
  return [{ kind: "end", turn, copy }];
}

/**
 * Merge a changed block into a turn. `append` adds to the text. `more` adds HTML and replaces the text. Any other block replaces the old
 * one.
 *
 * @param {TurnState} turn
 * @param {Block} change
 */
export function mergeBlock(turn, change) {
  const index = turn.blocks.findIndex((block) => block.block === change.block);
  const { append, more, ...block } = change;
  const before = turn.blocks[index];
  if (!before) turn.blocks.push(append === undefined ? block : { ...block, text: append });
  else if (append !== undefined) before.text = (before.text ?? "") + append;
  else if (more !== undefined) Object.assign(before, { html: (before.html ?? "") + more, text: change.text });
  else turn.blocks[index] = block;
}
