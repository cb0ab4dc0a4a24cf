// Turns that were undone or redone, in outputs that the kernel does not update: of earlier kernels, and after the page was reloaded.

/** @import { CellModel, KernelConnection, NotebookTracker } from "./front_end.js" */
/** @import { MarkedMessage } from "./protocol.js" */

import { TURN_MIME, outputsOf } from "./cell_data.js";
import { panelsOf } from "./kernels.js";

/** @typedef {{ output_type: string, data?: Record<string, any>, metadata?: Record<string, any>, text?: unknown }} Output */

/**
 * Mark a turn in all cells that show it. The rest of its outputs stays as it is.
 *
 * @param {NotebookTracker} tracker
 * @param {KernelConnection} kernel
 * @param {MarkedMessage} message
 */
export function markTurn(tracker, kernel, message) {
  for (const model of cellsOf(tracker, kernel)) {
    const marked = withMark(jsonOf(model), message);
    if (marked) model.outputs?.fromJSON(marked);
  }
}

const UNFINISHED = "[The kernel ended while this turn ran.]\n";

/**
 * Say in all cells with a running turn that the kernel has ended, because it does not update them any more.
 *
 * @param {NotebookTracker} tracker
 * @param {KernelConnection} kernel
 */
export function markUnfinished(tracker, kernel) {
  for (const model of cellsOf(tracker, kernel)) {
    if (isUnfinished(jsonOf(model))) model.outputs?.add({ output_type: "stream", name: "stderr", text: UNFINISHED });
  }
}

/** @type {(tracker: NotebookTracker, kernel: KernelConnection) => CellModel[]} */
const cellsOf = (tracker, kernel) => panelsOf(tracker, kernel).flatMap(({ content }) => content.widgets.map(({ model }) => model));

/** @type {(model: CellModel) => Output[]} */
const jsonOf = (model) => outputsOf(model).map((output) => /** @type {Output} */ (output.toJSON()));

/**
 * Return whether the last turn in the outputs of a cell has no end. The outputs of a turn that has ended have its data.
 *
 * @param {Output[]} outputs
 */
export function isUnfinished(outputs) {
  const first = outputs.findLastIndex(({ metadata }) => metadata?.codex?.output === 0);
  return first >= 0 && outputs.slice(first).every(({ data, text }) => !data?.[TURN_MIME] && text !== UNFINISHED);
}

/**
 * Return the outputs of a cell with the mark of a turn, or without it after a redo. Null if nothing changes.
 *
 * @param {Output[]} outputs
 * @param {MarkedMessage} message
 */
export function withMark(outputs, { thread, turn, start, undone, mark }) {
  const isTurn = (/** @type {Output} */ { data }) => {
    const saved = data?.[TURN_MIME];
    if (saved?.turn?.thread_id !== thread) return false;
    return (turn !== null && saved.turn.id === turn) || (start !== null && saved.info?.began === start);
  };
  const place = outputs.findIndex((output) => isTurn(output) && (output.data?.[TURN_MIME].info?.undone === true) !== undone);
  if (place < 0) return null;
  const marked = structuredClone(outputs);
  const data = /** @type {Record<string, any>} */ (marked[place]?.data);
  data[TURN_MIME] = { ...data[TURN_MIME], info: { ...data[TURN_MIME].info, undone } };
  let first = place;
  while (first > 0 && marked[first]?.metadata?.codex?.output > 0) first -= 1;
  const above = marked[first - 1]?.metadata?.codex?.mark === true;
  if (above) marked.splice(first - 1, 1);
  else if (undone) marked.splice(first, 0, { output_type: "display_data", data: mark, metadata: { codex: { mark: true } } });
  return marked;
}
