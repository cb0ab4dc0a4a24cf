// The plugin: commands, and the places where they appear. The rest is loaded when a notebook is opened, or a command is first used.

/** @import { Application, Jupyter, NotebookTracker, Settings, ShareScope, Widget } from "./front_end.js" */
/** @import { Parts } from "./parts.js" */

import { isFixable, lastImage } from "./cell_data.js";
import { supportedKernel } from "./kernels.js";
import { loadJupyter } from "./shared.js";

const ID = "codex-jupyter:plugin";
const CATEGORY = "Codex";
const MIN_WIDTH = "300px";
const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><path class="jp-icon3" fill="#616161" d="M8 1.200 9.600 6.400 ' +
  '14.800 8 9.600 9.600 8 14.800 6.400 9.600 1.200 8 6.400 6.400z"/></svg>';

/**
 * Return the plugin for JupyterLab.
 *
 * @param {ShareScope} scope
 */
export async function createPlugin(scope) {
  const jupyter = await loadJupyter(scope);
  const { ICommandPalette } = jupyter.apputils;
  return {
    id: ID,
    description: "OpenAI's Codex agent in notebooks.",
    autoStart: true,
    requires: [jupyter.notebook.INotebookTracker],
    optional: [ICommandPalette, jupyter.launcher.ILauncher, jupyter.settingregistry.ISettingRegistry].filter(Boolean),
    /**
     * @param {Application} app
     * @param {NotebookTracker} tracker
     * @param {any} palette
     * @param {any} launcher
     * @param {any} registry
     */
    activate: (app, tracker, palette, launcher, registry) => {
      const start = performance.now();
      activate(app, tracker, jupyter, { palette, launcher, registry });
      performance.measure("codex-jupyter:activate", { start });
    },
  };
}

/**
 * @param {Application} app
 * @param {NotebookTracker} tracker
 * @param {Jupyter} jupyter
 * @param {{ palette: any, launcher: any, registry: any }} services
 */
function activate(app, tracker, jupyter, { palette, launcher, registry }) {
  addStyle();
  const icon = new jupyter.ui.LabIcon({ name: "codex-jupyter:icon", svgstr: ICON });
  const panel = createPanel(jupyter, icon);
  /** @type {Promise<Settings | null>} */
  const loadingSettings = Promise.resolve(registry?.load(ID) ?? null).catch((error) => {
    console.warn("The settings of codex-jupyter cannot be read.", error);
    return null;
  });
  /** @type {Lazy} */
  const lazy = {
    parts: null,
    load: () => {
      // Without the settings, a connection would ask for a consent that the user has given, and send no settings to the kernel.
      loading ??= Promise.all([import("./parts.js"), loadingSettings]).then(([{ createParts }, settings]) => {
        lazy.parts = createParts(app, tracker, jupyter, { panel, settings });
        lazy.parts.review.onChanged = changed;
        return lazy.parts;
      });
      return loading;
    },
  };
  /** @type {Promise<Parts> | undefined} */
  let loading;
  panel.onAfterShow = () => lazy.load().then((parts) => parts.panel.update());
  app.shell.add(panel, "right", { rank: 900, type: "Codex" });
  const changed = addCommands(app, tracker, jupyter, { lazy, icon, palette });
  // Without it, tiles of this category have the first letter of their name.
  const kernelIconUrl = `data:image/svg+xml,${encodeURIComponent(ICON)}`;
  launcher?.add({ command: "codex:new-notebook", category: "Notebook", rank: 100, kernelIconUrl });
  tracker.widgetAdded.connect(() => lazy.load());
  tracker.forEach(() => lazy.load());
  app.restored.then(() => {
    if (panel.isVisible) lazy.load();
  });
}

/** @typedef {{ parts: Parts | null, load: () => Promise<Parts> }} Lazy */

/** Load the styles once. */
function addStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("./lab.css", import.meta.url).href;
  document.head.append(link);
}

/**
 * Return the empty panel at the side.
 *
 * @param {Jupyter} jupyter
 * @param {unknown} icon
 * @returns {Widget & { layout: any, onAfterShow: () => unknown }}
 */
function createPanel(jupyter, icon) {
  const panel = new jupyter.widgets.Panel();
  panel.id = "codex-jupyter-panel";
  panel.addClass("codex-lab-panel");
  // The styles of the chat give it the height of such an element.
  panel.addClass("codex-panel");
  // JupyterLab reads it before the styles are loaded. Notebook 7 has side areas of a fixed width.
  if (!document.body.dataset.notebook) panel.node.style.minWidth = MIN_WIDTH;
  Object.assign(panel.title, { icon, caption: "Codex", closable: true });
  panel.node.setAttribute("role", "region");
  panel.node.setAttribute("aria-label", "Codex");
  return panel;
}

/**
 * @param {Application} app
 * @param {NotebookTracker} tracker
 * @param {Jupyter} jupyter
 * @param {{ lazy: Lazy, icon: unknown, palette: any }} services
 */
function addCommands(app, tracker, jupyter, { lazy, icon, palette }) {
  /** @type {(use: (parts: Parts) => unknown) => () => Promise<unknown>} */
  const later = (use) => async () => use(await lazy.load());
  const hasChanges = () => (lazy.parts?.review.pending.size ?? 0) > 0;
  const supported = () => supportedKernel(app, tracker.currentWidget) !== null;
  const hasOutput = (/** @type {(model: import("./front_end.js").CellModel) => unknown} */ test) => () =>
    supported() && tracker.activeCell?.model.outputs !== undefined && Boolean(test(tracker.activeCell.model));
  /** @type {[string, string, () => unknown, (() => boolean)?][]} */
  const commands = [
    ["codex:open", "Open Codex", later(({ actions }) => actions.open()), supported],
    ["codex:ask-cell", "Ask Codex About This Cell", later(({ actions }) => actions.prompt("cell")), supported],
    ["codex:rewrite-cell", "Rewrite This Cell with Codex", later(({ actions }) => actions.prompt("rewrite")), supported],
    ["codex:keep-all", "Keep All Changes by Codex", later(({ review }) => review.decideAll("keep")), hasChanges],
    ["codex:undo-all", "Undo All Changes by Codex", later(({ review }) => review.decideAll("undo")), hasChanges],
    ["codex:fix", "Fix with Codex", later(({ actions }) => actions.fixActiveCell()), hasOutput(isFixable)],
    ["codex:explain", "Explain with Codex", later(({ actions }) => actions.prompt("explain")), hasOutput((model) => model.outputs?.length)],
    ["codex:ask-plot", "Ask Codex About This Plot", later(({ actions }) => actions.prompt("plot")), hasOutput(lastImage)],
    ["codex:new-notebook", "Codex Notebook", later(({ actions }) => actions.newNotebook())],
  ];
  for (const [id, label, execute, isVisible] of commands) {
    const shown = id === "codex:rewrite-cell" ? jupyter.ui.editIcon : icon;
    app.commands.addCommand(id, { label, caption: label, icon: shown, execute, ...(isVisible && { isVisible, isEnabled: isVisible }) });
    palette?.addItem({ command: id, category: CATEGORY });
  }
  const changed = () => {
    for (const [id] of commands) app.commands.notifyCommandChanged(id);
  };
  tracker.currentChanged.connect(changed);
  tracker.activeCellChanged.connect(changed);
  tracker.widgetAdded.connect((_, panel) => panel.sessionContext.kernelChanged.connect(changed));
  app.serviceManager.kernelspecs.ready.then(changed);
  return changed;
}
