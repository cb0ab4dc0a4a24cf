// The buttons below the outputs of a cell: fix and explain an error, ask about a plot, and use a turn of Codex.

/** @import { Application, Cell, CellModel, NotebookPanel, NotebookTracker } from "./front_end.js" */

import { hasFolds, isFixable, lastImage, lastPython, savedTurn } from "./cell_data.js";
import { button, make } from "./dom.js";
import { supportedKernel } from "./kernels.js";

export class OutputActions {
  /**
   * @param {Application} app
   * @param {NotebookTracker} tracker
   * @param {Record<ActionName, (panel: NotebookPanel, cell: Cell, button: HTMLElement) => unknown>} handlers
   */
  constructor(app, tracker, handlers) {
    this.app = app;
    this.handlers = handlers;
    /** @type {WeakSet<CellModel>} */
    this.watched = new WeakSet();
    /** @type {WeakSet<Cell>} */
    this.due = new WeakSet();
    tracker.widgetAdded.connect((_, panel) => this.watch(panel));
    tracker.forEach((panel) => this.watch(panel));
  }

  /** @param {NotebookPanel} panel */
  async watch(panel) {
    await panel.context.ready;
    const visit = () => this.visit(panel);
    panel.content.model?.cells.changed.connect(visit);
    panel.sessionContext.kernelChanged.connect(visit);
    this.visit(panel);
  }

  /** @param {NotebookPanel} panel */
  visit(panel) {
    for (const cell of panel.content.widgets) {
      const { outputs } = cell.model;
      if (!outputs) continue;
      if (!this.watched.has(cell.model)) {
        this.watched.add(cell.model);
        outputs.changed.connect(() => this.schedule(panel, cell));
      }
      this.schedule(panel, cell);
    }
  }

  /**
   * Update the buttons of a cell soon: a running cell changes its outputs many times.
   *
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   */
  schedule(panel, cell) {
    if (this.due.has(cell)) return;
    this.due.add(cell);
    requestAnimationFrame(async () => {
      await cell.ready;
      this.due.delete(cell);
      if (!cell.isDisposed) this.update(panel, cell);
    });
  }

  /**
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   */
  update(panel, cell) {
    const wrapper = cell.node.querySelector(".jp-Cell-outputWrapper");
    if (!wrapper) return;
    const names = this.actionsOf(panel, cell.model);
    const present = cell.node.querySelector(":scope > .codex-lab-output-actions");
    if (present instanceof HTMLElement && present.dataset.names === names.join()) return;
    present?.remove();
    if (!names.length) return;
    const buttons = names.map((name) => {
      const shown = button(LABELS[name], () => this.handlers[name](panel, cell, shown), name === "fix" ? "accept" : "");
      return shown;
    });
    const attributes = { class: "codex-lab-output-actions", "data-names": names.join(), role: "group", "aria-label": "Codex" };
    wrapper.after(make("div", attributes, ...buttons));
  }

  /**
   * @param {NotebookPanel} panel
   * @param {CellModel} model
   * @returns {ActionName[]}
   */
  actionsOf(panel, model) {
    const isSupported = supportedKernel(this.app, panel) !== null;
    const turn = savedTurn(model);
    if (turn) {
      const open = /** @type {ActionName[]} */ (hasFolds(model) ? ["open"] : []);
      const copy = /** @type {ActionName[]} */ (turn.answer ? ["copy"] : []);
      const insert = /** @type {ActionName[]} */ (lastPython(turn.answer) ? ["insert"] : []);
      const undo = /** @type {ActionName[]} */ (isSupported ? [turn.isUndone ? "redo" : "undo"] : []);
      return [...open, ...copy, ...insert, "further", ...undo];
    }
    if (!isSupported) return [];
    if (isFixable(model)) return ["fix", "explain"];
    return lastImage(model) ? ["plot"] : [];
  }
}

/** @typedef {keyof typeof LABELS} ActionName */

const LABELS = {
  fix: "Fix with Codex",
  explain: "Explain",
  plot: "Ask about this plot",
  open: "Open all",
  copy: "Copy answer",
  insert: "Insert code",
  further: "Ask further",
  undo: "Undo…",
  redo: "Redo…",
};
