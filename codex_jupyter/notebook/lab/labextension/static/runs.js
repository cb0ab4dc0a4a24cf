// Cells that use Codex connect the page with their kernel, so that the agent can use the notebook.

/** @import { Application, Cell, Jupyter, Notebook, NotebookPanel, NotebookTracker } from "./front_end.js" */
/** @import { Connections } from "./connections.js" */

import { ENDED } from "./connection.js";
import { loadIfInstalled, supportedKernel } from "./kernels.js";

const USES_CODEX = /^\s*(?:%%codex\b|(?:\w+\s*=\s*)?%codex\b)/m;
const LOADS_EXTENSION = /^\s*%(?:load_ext|reload_ext)\s+codex_jupyter\b/m;
const INPUT = "jp-OutputArea-stdin-item";
const ANSWERED = "jp-OutputArea-stdin-hiding";

/**
 * Connect when a cell that uses Codex runs, and again after the page was reloaded.
 *
 * @param {Application} app
 * @param {Jupyter} jupyter
 * @param {NotebookTracker} tracker
 * @param {Connections} connections
 */
export function connectWhenUsed(app, jupyter, tracker, connections) {
  const { NotebookActions } = jupyter.notebook;
  /** @type {(notebook: Notebook) => NotebookPanel | undefined} */
  const panelOf = (notebook) => {
    /** @type {NotebookPanel | undefined} */
    let found;
    tracker.forEach((panel) => {
      if (panel.content === notebook) found = panel;
    });
    return found;
  };
  /** @type {WeakMap<NotebookPanel, Cell>} The scheduled cell of a notebook that loads the extension. */
  const loading = new WeakMap();
  /** @type {(sender: unknown, run: { notebook: Notebook, cell: Cell }) => void} */
  const onScheduled = (_, { notebook, cell }) => {
    const panel = panelOf(notebook);
    const source = cell.model.sharedModel.getSource();
    if (panel && LOADS_EXTENSION.test(source)) loading.set(panel, cell);
    if (!panel || !USES_CODEX.test(source) || connections.of(panel)) return;
    // Before the cell's own request, so that its magic exists. The comms are then opened on a subshell, while the cell runs.
    // A cell that loads the extension itself would only print that it is loaded already.
    const kernel = supportedKernel(app, panel);
    const loaded = connections.hasConsent && kernel && !loading.has(panel) ? loadIfInstalled(kernel) : Promise.resolve();
    loaded.then(() => connections.connectIfLoaded(panel));
  };
  /** @type {(sender: unknown, run: { notebook: Notebook, cell: Cell }) => void} */
  const onExecuted = (_, { notebook, cell }) => {
    const panel = panelOf(notebook);
    if (!panel) return;
    if (USES_CODEX.test(cell.model.sharedModel.getSource())) closeInput(panel, cell);
    if (loading.get(panel) !== cell) return;
    loading.delete(panel);
    connections.connectIfLoaded(panel);
  };
  NotebookActions.executionScheduled.connect(onScheduled);
  NotebookActions.executed.connect(onExecuted);
  /** @param {NotebookPanel} panel */
  const reconnect = async (panel) => {
    await panel.sessionContext.ready;
    if (connections.wasConnected(panel)) await connections.connectIfLoaded(panel);
  };
  connections.reconnect = () => tracker.forEach(reconnect);
  /** @param {NotebookPanel} panel */
  const follow = (panel) => {
    // JupyterLab does not report the end of a cell that a restart cancels.
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (ENDED.includes(status)) loading.delete(panel);
    });
    reconnect(panel);
  };
  tracker.widgetAdded.connect((_, panel) => follow(panel));
  tracker.forEach(follow);
}

/**
 * Remove the input of a cell that has ended without an answer. A turn closes its question when it ends, which JupyterLab does not notice:
 * it would run no cell before an answer.
 *
 * @param {NotebookPanel} panel
 * @param {Cell} cell
 */
function closeInput(panel, cell) {
  const inputs = cell.outputArea?.layout.widgets.filter((output) => output.hasClass(INPUT) && !output.hasClass(ANSWERED)) ?? [];
  if (!inputs.length) return;
  panel.sessionContext.session?.kernel?.removeInputGuard?.();
  for (const input of inputs) input.dispose();
}
