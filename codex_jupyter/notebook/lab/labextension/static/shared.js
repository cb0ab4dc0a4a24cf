// The modules of JupyterLab that the extension uses. JupyterLab shares them with all extensions.

/** @import { Jupyter, ShareScope } from "./front_end.js" */

/** @type {Record<keyof Jupyter, string>} */
const PACKAGES = {
  apputils: "@jupyterlab/apputils",
  cells: "@jupyterlab/cells",
  language: "@codemirror/language",
  launcher: "@jupyterlab/launcher",
  notebook: "@jupyterlab/notebook",
  rendermime: "@jupyterlab/rendermime",
  settingregistry: "@jupyterlab/settingregistry",
  state: "@codemirror/state",
  ui: "@jupyterlab/ui-components",
  view: "@codemirror/view",
  widgets: "@lumino/widgets",
};

/**
 * Load the shared modules. They are parts of JupyterLab that are loaded already.
 *
 * @param {ShareScope} scope
 * @returns {Promise<Jupyter>}
 */
export async function loadJupyter(scope) {
  const entries = await Promise.all(
    Object.entries(PACKAGES).map(async ([name, specifier]) => {
      // The application provides one version of each. An extension that brings its own copy is not loaded yet.
      const versions = Object.values(scope[specifier] ?? {});
      const version = versions.find((one) => one.loaded) ?? versions[0];
      return [name, version ? (await version.get())() : {}];
    }),
  );
  return Object.fromEntries(entries);
}
