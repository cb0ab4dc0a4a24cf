// Edits of cells: make one, and return the edit that takes it back. The kernel stores these, so an edit is JSON.

/** @import { Cell, NotebookPanel, SharedNotebook } from "./front_end.js" */

import { UserError } from "./errors.js";

/**
 * A change of the cell with the id `cell`. `before` is the source that the cell must have. `place` is the id of the cell above, or `start`;
 * empty is the end of the notebook. `json` is the whole cell, of an insertion that brings back a deleted cell.
 *
 * @typedef {object} Edit
 * @property {"insert" | "replace" | "delete" | "move"} kind
 * @property {string} cell
 * @property {string} [before]
 * @property {string} [after]
 * @property {string} [type]
 * @property {string} [source]
 * @property {string} [place]
 * @property {Record<string, any>} [json]
 * @property {string} [of]
 */

export const START = "start";
/** The problem of a cell with another source than an edit expects. */
export const CHANGED = "was changed after the turn";
/** Characters of a deleted cell above which its outputs are not kept for an undo. */
const MAX_JSON = 2_000_000;

/** The last edit of Codex in a notebook: the turn that made it, and the step of the notebook's undo that has it. */
/** @type {WeakMap<SharedNotebook, { turn: string, step: unknown }>} */
const lastEdits = new WeakMap();

/**
 * Return the position of a cell, or -1.
 *
 * @param {NotebookPanel} panel
 * @param {string} id
 */
export const indexOf = (panel, id) => panel.content.widgets.findIndex(({ model }) => model.id === id);

/**
 * Return the cell with an id.
 *
 * @param {NotebookPanel} panel
 * @param {string} id
 * @returns {Cell}
 */
export function cellOf(panel, id) {
  const cell = panel.content.widgets[indexOf(panel, id)];
  if (!cell) throw new UserError(`The notebook has no cell with the id ${id}.`);
  return cell;
}

/**
 * Return the source that a cell has instead of the expected one, or null.
 *
 * @param {NotebookPanel} panel
 * @param {{ cell: string, before?: string, kind?: string }} expected
 * @returns {string | null}
 */
export function conflict(panel, { cell, before, kind }) {
  if (kind === "insert" || before === undefined) return null;
  const source = cellOf(panel, cell).model.sharedModel.getSource();
  return source === before ? null : source;
}

/**
 * Return the reason why an edit of a cell cannot be made, as the rest of a sentence about the cell, or an empty text.
 *
 * @param {NotebookPanel} panel
 * @param {Edit} edit
 */
export function problemOf(panel, edit) {
  if (panel.content.model?.readOnly) return "is in a read-only notebook";
  const index = indexOf(panel, edit.cell);
  if (edit.kind === "insert") return index < 0 ? "" : "is in the notebook already";
  const cell = panel.content.widgets[index];
  if (!cell) return "is not in the notebook any more";
  if (conflict(panel, edit) !== null) return CHANGED;
  if (cell.model.sharedModel.getMetadata?.(edit.kind === "delete" ? "deletable" : "editable") === false) {
    return "is protected by its metadata";
  }
  return edit.kind !== "replace" && cell.model.executionState === "running" ? "runs now" : "";
}

/**
 * Make an edit. Successive edits of a turn are one step of the notebook's undo.
 *
 * @param {NotebookPanel} panel
 * @param {Edit} edit
 * @param {string} turn
 * @returns {Edit} the edit that takes it back
 */
export function makeEdit(panel, edit, turn) {
  const problem = problemOf(panel, edit);
  if (problem) throw new UserError(`The cell ${problem}.`);
  const notebook = /** @type {SharedNotebook} */ (panel.content.model?.sharedModel);
  const active = panel.content.activeCell?.model.id ?? "";
  /** @type {Edit | undefined} */
  let inverse;
  asStepOf(notebook, turn, () => {
    inverse = MAKERS[edit.kind](panel, notebook, edit);
  });
  // JupyterLab keeps the position of the active cell, not the cell.
  const index = indexOf(panel, active);
  if (index >= 0) panel.content.activeCellIndex = index;
  return { ...(edit.of && { of: edit.of }), .../** @type {Edit} */ (inverse) };
}

/** @type {Record<Edit["kind"], (panel: NotebookPanel, notebook: SharedNotebook, edit: Edit) => Edit>} */
const MAKERS = {
  insert: (panel, notebook, { cell, json, type = "code", source = "", place = "" }) => {
    const code = type === "code" && { outputs: [], execution_count: null };
    notebook.insertCell(indexBelow(panel, place), json ?? { id: cell, cell_type: type, source, metadata: {}, ...code });
    return { kind: "delete", cell, before: json?.source ?? source };
  },
  replace: (panel, _, { cell, before = "", after = "" }) => {
    cellOf(panel, cell).model.sharedModel.setSource(after);
    return { kind: "replace", cell, before: after, after: before };
  },
  delete: (panel, notebook, { cell, before = "" }) => {
    const place = placeOf(panel, cell);
    const json = cellOf(panel, cell).model.sharedModel.toJSON();
    if (JSON.stringify(json.outputs ?? []).length > MAX_JSON) json.outputs = [];
    notebook.deleteCell(indexOf(panel, cell));
    return { kind: "insert", cell, json: { ...json, id: cell, source: before }, place };
  },
  move: (panel, notebook, { cell, before, place = "" }) => {
    const from = indexOf(panel, cell);
    const below = indexBelow(panel, place);
    const back = placeOf(panel, cell);
    notebook.moveCell(from, below > from ? below - 1 : below);
    return { kind: "move", cell, before, place: back };
  },
};

/**
 * Return the place of a cell: the id of the cell above.
 *
 * @param {NotebookPanel} panel
 * @param {string} id
 */
function placeOf(panel, id) {
  return panel.content.widgets[indexOf(panel, id) - 1]?.model.id ?? START;
}

/**
 * Return the position below a place.
 *
 * @param {NotebookPanel} panel
 * @param {string} place
 */
function indexBelow(panel, place) {
  if (place === START) return 0;
  return place ? panel.content.widgets.indexOf(cellOf(panel, place)) + 1 : panel.content.widgets.length;
}

/**
 * Change a notebook. If its last change was made by the same turn, the notebook's undo takes back both.
 *
 * @param {SharedNotebook} notebook
 * @param {string} turn
 * @param {() => void} change
 */
export function asStepOf(notebook, turn, change) {
  const manager = notebook.undoManager;
  if (!manager) return notebook.transact(change, true);
  const last = lastEdits.get(notebook);
  const timeout = manager.captureTimeout;
  manager.stopCapturing();
  if (last?.turn === turn && last.step && last.step === manager.undoStack.at(-1)) {
    // The manager adds a change to the last step, if that is young enough.
    manager.captureTimeout = Infinity;
    manager.lastChange = Date.now();
  }
  try {
    notebook.transact(change, true);
  } finally {
    manager.captureTimeout = timeout;
    manager.stopCapturing();
    lastEdits.set(notebook, { turn, step: manager.undoStack.at(-1) });
  }
}
