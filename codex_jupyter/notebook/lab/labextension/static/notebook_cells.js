// Requests of the kernel about cells of an open notebook, for the tools of the agent.

/** @import { Cell, Jupyter, KernelConnection, NotebookPanel, NotebookTracker } from "./front_end.js" */
/** @import { CellsMessage } from "./protocol.js" */
/** @import { ReloadedCells } from "./reloaded_cells.js" */
/** @import { Review } from "./review.js" */

import { cellData, hasError, lastImages } from "./cell_data.js";
import { CellRuns } from "./cell_runs.js";
import { cellOf, conflict, indexOf, makeEdit, problemOf } from "./edits.js";
import { UserError } from "./errors.js";
import { panelsOf } from "./kernels.js";
import { nameOf } from "./review.js";

/** The key under which edits of `%codex undo` are one step of the notebook's undo. */
const UNDO = "undo of turns";

/** @typedef {{ kernel: KernelConnection, panel: NotebookPanel, home: string }} Place */

export class NotebookCells {
  /**
   * @param {Jupyter} jupyter
   * @param {NotebookTracker} tracker
   * @param {Review} review
   * @param {ReloadedCells} reloaded
   */
  constructor(jupyter, tracker, review, reloaded) {
    this.tracker = tracker;
    this.review = review;
    this.runs = new CellRuns(jupyter);
    /** @type {Record<string, (place: Place, args: Record<string, any>) => object | Promise<object>>} */
    this.requests = {
      read: (place, { cell }) => this.read(place, cell),
      edit: (place, args) => this.edit(place, args),
      check: ({ panel }, { edit }) => ({ problem: problemOf(panel, edit) }),
      revert: ({ panel }, { edit }) => {
        const inverse = makeEdit(panel, edit, UNDO);
        this.review.forget(edit.of);
        return { inverse };
      },
      run: ({ panel }, { cell, inPlace }) => {
        const widget = cellOf(panel, cell);
        if (inPlace) return { header: this.runs.show(panel, widget) };
        return { header: null, request: this.runs.run(panel, widget) };
      },
      follow: ({ panel, kernel }, { cell, request }) => {
        this.runs.follow(kernel, cellOf(panel, cell), request, reloaded);
        return {};
      },
      wait: async (place, { cell, seconds }) => {
        await this.runs.wait(cellOf(place.panel, cell), seconds);
        return this.read(place, cell);
      },
      finish: (_, { cell, number, state }) => {
        this.runs.finish(cell, number, state);
        return {};
      },
      interrupt: async ({ panel, kernel }, { cell }) => {
        if (cellOf(panel, cell).model.executionState === "running") await kernel.interrupt();
        return {};
      },
    };
  }

  /**
   * Carry out a request. A cell that has another source than the kernel expects is a result, `conflict`, and nothing is done.
   *
   * @param {KernelConnection} kernel
   * @param {CellsMessage} message
   * @returns {Promise<object>}
   */
  async perform(kernel, message) {
    if (message.do === "ping") return {};
    const request = this.requests[message.do];
    if (!request) throw new UserError("JupyterLab and the kernel have different versions of codex-jupyter.");
    const place = { kernel, panel: this.panelOf(kernel, message.home), home: message.home };
    const expected = message.arguments.edit ?? message.arguments;
    const source = message.do === "check" || message.do === "revert" ? null : conflict(place.panel, expected);
    return source === null ? request(place, message.arguments) : { conflict: source };
  }

  /**
   * Return the notebook that a turn belongs to: that with its cell, or the active one, or the only one of the kernel.
   *
   * @param {KernelConnection} kernel
   * @param {string} home
   * @returns {NotebookPanel}
   */
  panelOf(kernel, home) {
    const panels = panelsOf(this.tracker, kernel);
    const panel =
      panels.find((one) => home && indexOf(one, home) >= 0) ??
      panels.find((one) => one === this.tracker.currentWidget) ??
      (panels.length === 1 ? panels[0] : undefined);
    if (!panel) throw new UserError(panels.length ? "Several notebooks use this kernel." : "The notebook of this kernel is not open.");
    return panel;
  }

  /**
   * @param {Place} place
   * @param {string} id the id of a cell, or empty for all cells
   */
  read({ panel, home }, id) {
    const { widgets } = panel.content;
    const cells = (id ? [cellOf(panel, id)] : widgets).map((cell) => ({
      ...this.describe(panel, cell),
      home: cell.model.id === home,
      ...(id && { images: lastImages(cell.model) }),
    }));
    return { cells };
  }

  /**
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   */
  describe(panel, cell) {
    const { model } = cell;
    return {
      ...cellData(model),
      image: undefined,
      position: indexOf(panel, model.id) + 1,
      total: panel.content.widgets.length,
      running: model.executionState === "running" || this.runs.runs.has(model.id),
      failed: hasError(model),
      pending: this.review.proposalFor(panel, model.id),
    };
  }

  /**
   * Make an edit, or propose it.
   *
   * @param {Place} place
   * @param {Record<string, any>} args
   */
  edit({ kernel, panel, home }, { id, turn, mode, edit }) {
    if (edit.cell === home) throw new UserError("It is the cell of this turn.");
    if (edit.place && edit.place !== "start" && !this.review.places.has(edit.place)) cellOf(panel, edit.place);
    const proposed = mode === "propose";
    const problem = proposed ? problemOf(panel, edit) : "";
    if (problem) throw new UserError(`The cell ${problem}.`);
    const name = nameOf(panel, edit.cell);
    const inverse = proposed ? null : makeEdit(panel, edit, turn);
    if (mode !== "apply") this.review.add({ ids: [id], turn, kernel, panel, edit, inverse });
    return inverse ? { inverse, name: edit.kind === "insert" ? nameOf(panel, edit.cell) : name } : {};
  }
}
