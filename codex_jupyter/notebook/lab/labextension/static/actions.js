// What the buttons, menus and shortcuts do.

/** @import { Application, Cell, Jupyter, NotebookPanel, NotebookTracker } from "./front_end.js" */
/** @import { Connections } from "./connections.js" */
/** @import { ChatPanel } from "./panel.js" */
/** @import { PageCell } from "./protocol.js" */

import { askBelow } from "./ask_box.js";
import { cellData } from "./cell_data.js";
import { textOf } from "./errors.js";
import { notify } from "./notices.js";

/** @type {Record<string, { label: string, action: string }>} what the user is asked to write, for the kinds of prompts that need it */
const QUESTIONS = {
  cell: { label: "Ask Codex about this cell", action: "Ask" },
  rewrite: { label: "Say how Codex should rewrite this cell", action: "Rewrite" },
  plot: { label: "Ask Codex about this plot", action: "Ask" },
};

export class Actions {
  /**
   * @param {Application} app
   * @param {Jupyter} jupyter
   * @param {NotebookTracker} tracker
   * @param {Connections} connections
   * @param {ChatPanel} panel
   */
  constructor(app, jupyter, tracker, connections, panel) {
    this.app = app;
    this.jupyter = jupyter;
    this.tracker = tracker;
    this.connections = connections;
    this.panel = panel;
    /** @type {(panel: NotebookPanel, cell: Cell) => unknown} */
    this.fix = () => undefined;
  }

  /** Fix the active cell. */
  fixActiveCell() {
    const { currentWidget, activeCell } = this.tracker;
    return currentWidget && activeCell && this.fix(currentWidget, activeCell);
  }

  /** Open the panel. */
  open() {
    return this.panel.open();
  }

  /**
   * Send a prompt about a cell. Its turn is shown in the panel.
   *
   * @param {string} kind
   * @param {NotebookPanel | null} [notebook]
   * @param {Cell | null} [cell]
   * @param {{ others?: PageCell[], attempt?: number }} [more]
   */
  async prompt(kind, notebook = this.tracker.currentWidget, cell = this.tracker.activeCell, more = {}) {
    if (!notebook || !cell) return;
    const question = QUESTIONS[kind];
    const text = question ? await askBelow(cell, question.label, question.action) : "";
    if (question && !text) return;
    try {
      const connection = await this.connections.connect(notebook);
      this.app.shell.activateById(this.panel.widget.id);
      await connection.send({ do: "prompt", kind, text, cell: cellData(cell.model), ...more });
    } catch (error) {
      this.report(error);
    }
  }

  /** Create a notebook, and open the panel with its chat. Notebook 7 opens it in another window. */
  async newNotebook() {
    const specs = this.app.serviceManager.kernelspecs.specs;
    const python = Object.values(specs?.kernelspecs ?? {}).filter((spec) => spec?.language.toLowerCase() === "python");
    const kernelName = (python.find((spec) => spec?.name === specs?.default) ?? python[0])?.name;
    const created = await this.app.commands.execute("notebook:create-new", { kernelName });
    await created?.sessionContext?.ready;
    await this.open();
  }

  /** @param {unknown} error */
  report(error) {
    notify(this.jupyter, "error", textOf(error));
  }
}
