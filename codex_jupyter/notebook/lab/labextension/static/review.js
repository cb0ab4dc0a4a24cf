// Changes of cells by the agent that the user decides: shown as a difference in the cell, with Keep and Undo. A cell that changed meanwhile
// is not overwritten.

/** @import { Cell, Jupyter, KernelConnection, NotebookPanel, NotebookTracker } from "./front_end.js" */
/** @import { Edit } from "./edits.js" */
/** @import { ChangeMessage } from "./protocol.js" */

import { button, make } from "./dom.js";
import { CHANGED, START, conflict, indexOf, makeEdit } from "./edits.js";
import { textOf } from "./errors.js";
import { panelsOf } from "./kernels.js";
import { lineDiff } from "./line_diff.js";
import { notify } from "./notices.js";
import { visible } from "./visible_text.js";

/** @typedef {import("./line_diff.js").Line} Line */
/** @typedef {"keep" | "undo"} Decision */

/**
 * A change that the user has not decided. `inverse` takes it back; null if it is only proposed. `ids` name it for the kernel.
 *
 * @typedef {object} Pending
 * @property {string[]} ids
 * @property {string} turn
 * @property {KernelConnection} kernel
 * @property {NotebookPanel} panel
 * @property {Edit} edit
 * @property {Edit | null} inverse
 * @property {HTMLElement} [box]
 */

const MARKS = { same: " ", added: "+", removed: "-" };
const NOT_OVERWRITTEN = "The cell was changed meanwhile, so Codex did not overwrite it.";
const TITLES = {
  insert: ["Codex proposes a new cell", "New cell by Codex"],
  replace: ["", ""],
  delete: ["Codex proposes to delete this cell", "Codex deleted this cell"],
  move: ["Codex proposes to move this cell", "Codex moved this cell"],
};

export class Review {
  /**
   * @param {Jupyter} jupyter
   * @param {NotebookTracker} tracker
   */
  constructor(jupyter, tracker) {
    this.jupyter = jupyter;
    this.tracker = tracker;
    /** @type {Set<Pending>} */
    this.pending = new Set();
    this.onChanged = () => {};
    /** @type {(panel: NotebookPanel, cell: Cell) => unknown} runs a cell that was kept */
    this.run = () => undefined;
    /** @type {(panel: NotebookPanel, cell: Cell) => string} returns which other cells run with it */
    this.describeRun = () => "";
    /** @type {(kernel: KernelConnection, ids: string[], decision: Decision | "made", result: Record<string, any>) => void} */
    this.onDecided = () => {};
    /** @type {Map<string, string>} the places of new cells, by their ids */
    this.places = new Map();
    /** @type {WeakSet<object>} */
    this.watched = new WeakSet();
  }

  /**
   * Show the change of a cell after a prompt about it, and make it if it says so.
   *
   * @param {KernelConnection} kernel
   * @param {ChangeMessage} change
   */
  show(kernel, change) {
    const panel = this.find(kernel, change.cell);
    if (!panel) return;
    const id = change.edit;
    /** @type {Edit} */
    const edit = { kind: "replace", cell: change.cell, before: change.before, after: change.after };
    if (conflict(panel, edit) !== null) {
      this.warn(`${NOT_OVERWRITTEN} The proposed code is in the chat.`);
      return;
    }
    const inverse = change.apply ? makeEdit(panel, edit, id) : null;
    if (inverse) this.onDecided(kernel, [id], "made", { inverse, name: nameOf(panel, edit.cell) });
    this.add({ ids: [id], turn: id, kernel, panel, edit, inverse });
  }

  /**
   * Let the user decide a change. It replaces or continues earlier changes of the cell that are not decided.
   *
   * @param {Pending} change
   */
  add(change) {
    if (change.edit.kind === "insert") this.places.set(change.edit.cell, change.edit.place ?? "");
    const earlier = [...this.pending].filter(({ panel, edit }) => panel === change.panel && edit.cell === change.edit.cell);
    /** @type {Pending | null} */
    let merged = change;
    for (const other of earlier) {
      if (!other.inverse) this.onDecided(other.kernel, other.ids, "undo", {});
      else if (!change.inverse || !follows(other, change)) continue;
      else if (merged) merged = joined(other, merged);
      this.remove(other);
    }
    if (merged) this.pending.add(merged);
    this.watch(change.panel);
    this.place();
    this.onChanged();
  }

  /** @param {Decision} decision */
  decideAll(decision) {
    // The last change first, so that each undo finds what its change has left.
    const all = [...this.pending];
    for (const change of decision === "undo" ? all.reverse() : all) this.decide(change, decision);
  }

  /**
   * @param {Pending} change
   * @param {Decision} decision
   */
  decide(change, decision) {
    this.remove(change);
    /** @type {Record<string, any>} */
    const result = {};
    try {
      const { panel, turn } = change;
      const edit = change.edit.kind === "insert" ? { ...change.edit, place: this.placeOf(panel, change.edit.cell) } : change.edit;
      const todo = decision === "keep" ? !change.inverse && edit : change.inverse;
      const inverse = todo && makeEdit(panel, todo, turn);
      if (inverse && decision === "keep") Object.assign(result, { inverse, name: nameOf(panel, edit.cell) });
      this.onDecided(change.kernel, change.ids, decision, result);
    } catch (error) {
      this.warn(textOf(error).includes(CHANGED) ? NOT_OVERWRITTEN : textOf(error));
    }
    this.place();
    this.onChanged();
  }

  /**
   * Show nothing of changes any more, because they were taken back in another way.
   *
   * @param {string} id
   */
  forget(id) {
    for (const change of [...this.pending]) {
      if (change.ids.includes(id)) this.remove(change);
    }
    this.onChanged();
  }

  /** @param {Pending} change */
  remove(change) {
    const hasFocus = change.box?.contains(document.activeElement);
    change.box?.remove();
    this.pending.delete(change);
    // Otherwise the keyboard would be lost with the button.
    if (hasFocus) this.jupyter.notebook.NotebookActions.focusActiveCell?.(change.panel.content);
  }

  /**
   * Return what is proposed for a cell in words, or an empty text.
   *
   * @param {NotebookPanel} panel
   * @param {string} cell
   */
  proposalFor(panel, cell) {
    const change = [...this.pending].find((one) => one.panel === panel && one.edit.cell === cell && !one.inverse);
    return change ? `${change.edit.kind}, not decided by the user` : "";
  }

  /** @param {string} text */
  warn(text) {
    notify(this.jupyter, "warning", text);
  }

  /**
   * Return the open notebook with a cell.
   *
   * @param {KernelConnection} kernel
   * @param {string} id
   * @returns {NotebookPanel | undefined}
   */
  find(kernel, id) {
    return panelsOf(this.tracker, kernel).findLast((panel) => indexOf(panel, id) >= 0);
  }

  /** @param {NotebookPanel} panel */
  watch(panel) {
    const model = panel.content.model;
    if (!model || this.watched.has(model)) return;
    this.watched.add(model);
    model.cells.changed.connect(() => queueMicrotask(() => this.place()));
  }

  /** Put each box into its cell. JupyterLab makes a moved cell again. */
  place() {
    for (const change of [...this.pending]) {
      const cell = this.cellFor(change);
      if (!cell) {
        this.remove(change);
        continue;
      }
      change.box ??= this.boxOf(change);
      const isBelow = change.edit.kind === "insert" && !change.inverse;
      const input = isBelow ? null : cell.node.querySelector(".jp-Cell-inputWrapper");
      if (change.box.parentElement === cell.node) continue;
      if (input) input.after(change.box);
      else cell.node.append(change.box);
    }
    for (const { box } of this.pending) box?.classList.toggle("codex-lab-one-of-many", this.pending.size > 1);
  }

  /**
   * Return the cell that shows a change.
   *
   * @param {Pending} change
   * @returns {Cell | undefined}
   */
  cellFor({ panel, edit, inverse }) {
    if (panel.isDisposed) return undefined;
    const cells = panel.content.widgets;
    if (edit.kind === "insert" && !inverse) {
      const place = this.placeOf(panel, edit.cell);
      return place === START ? cells[0] : cells[indexOf(panel, place)] ?? cells.at(-1);
    }
    if (edit.kind === "delete" && inverse) return cells[indexOf(panel, inverse.place ?? "")] ?? cells[0];
    return cells[indexOf(panel, edit.cell)];
  }

  /**
   * Return the place of a new cell: the nearest cell above that is in the notebook.
   *
   * @param {NotebookPanel} panel
   * @param {string} cell
   */
  placeOf(panel, cell) {
    let place = this.places.get(cell) ?? "";
    while (place && place !== START && indexOf(panel, place) < 0) place = this.places.get(place) ?? "";
    return place;
  }

  /**
   * @param {Pending} change
   * @returns {HTMLElement}
   */
  boxOf(change) {
    const { edit, inverse, panel } = change;
    const title = TITLES[edit.kind][inverse ? 1 : 0];
    const keepAndRun = () => {
      this.decide(change, "keep");
      const kept = panel.content.widgets[indexOf(panel, edit.cell)];
      if (kept) this.run(panel, kept);
    };
    const runs = edit.kind === "replace" ? "code" : edit.kind === "insert" && (edit.type ?? "code");
    const buttons = [
      button("Keep", () => this.decide(change, "keep"), "accept"),
      ...(runs === "code" ? [button("Keep and run", keepAndRun)] : []),
      button("Undo", () => this.decide(change, "undo")),
      forAll("Keep all", () => this.decideAll("keep")),
      forAll("Undo all", () => this.decideAll("undo")),
    ];
    const cell = panel.content.widgets[indexOf(panel, edit.cell)];
    return make(
      "div",
      { class: "codex-lab-review", role: "group", "aria-label": "Change by Codex" },
      ...(title ? [make("div", { class: "codex-lab-review-title" }, title)] : []),
      ...(edit.kind === "move" ? [] : [difference(edit)]),
      make("div", { class: "codex-lab-review-buttons" }, ...buttons, make("span", {}, cell ? this.describeRun(panel, cell) : "")),
    );
  }
}

/**
 * Return a button for all changes, which is visible if there are several.
 *
 * @param {string} text
 * @param {() => unknown} onClick
 */
const forAll = (text, onClick) => button(text, onClick, "all");

/**
 * Return whether a change continues an earlier one of the cell, so that both are decided as one. A move is decided for itself.
 *
 * @param {Pending} first
 * @param {Pending} second
 */
const follows = (first, second) => second.edit.kind === "delete" || (first.edit.kind !== "move" && second.edit.kind !== "move");

/**
 * Return two changes of a cell that were made one after the other as one. Null if nothing is left to decide.
 *
 * @param {Pending} first
 * @param {Pending} second
 * @returns {Pending | null}
 */
export function joined(first, second) {
  const ids = [...first.ids, ...second.ids];
  const kinds = `${first.edit.kind} ${second.edit.kind}`;
  const { cell, after } = second.edit;
  if (kinds === "replace replace") {
    const { before } = first.edit;
    const inverse = /** @type {Edit} */ ({ kind: "replace", cell, before: after, after: before });
    return { ...second, ids, edit: { ...second.edit, before }, inverse };
  }
  if (kinds === "insert replace") {
    const inverse = /** @type {Edit} */ ({ kind: "delete", cell, before: after });
    return { ...second, ids, edit: { ...first.edit, source: after }, inverse };
  }
  if (kinds === "replace delete" && second.inverse?.json) {
    const { before } = first.edit;
    const inverse = { ...second.inverse, json: { ...second.inverse.json, source: before } };
    return { ...second, ids, edit: { ...second.edit, before }, inverse };
  }
  return kinds === "insert delete" ? null : { ...second, ids };
}

/**
 * Return the name of a cell for the user.
 *
 * @param {NotebookPanel} panel
 * @param {string} id
 */
export function nameOf(panel, id) {
  const index = indexOf(panel, id);
  const model = panel.content.widgets[index]?.model;
  if (!model) return "a deleted cell";
  if (model.executionCount) return `cell [${model.executionCount}]`;
  const line = (model.sharedModel.getSource().split("\n").find((text) => text.trim()) ?? "").trim();
  return `cell ${index + 1}${line && ` (${line.length > 30 ? `${line.slice(0, 30)}…` : line})`}`;
}

/** @param {Edit} edit */
function difference(edit) {
  const lines = linesOf(edit).map(({ kind, text }) => {
    const mark = make("span", { class: "codex-lab-mark" }, MARKS[kind]);
    return make("div", { class: `codex-lab-line codex-lab-${kind}` }, mark, ...visible(text));
  });
  return make("div", { class: "codex-lab-difference", tabindex: "0", role: "region", "aria-label": "Difference" }, ...lines);
}

/**
 * @param {Edit} edit
 * @returns {Line[]}
 */
function linesOf({ kind, before = "", after = "", source = "" }) {
  if (kind === "replace") return lineDiff(before, after);
  const [text, mark] = kind === "insert" ? [source, /** @type {const} */ ("added")] : [before, /** @type {const} */ ("removed")];
  return text.split("\n").map((line) => ({ kind: mark, text: line }));
}
