// Files that are open in tabs, and that something else has changed: they are loaded again, unless unsaved work would be lost.

/** @import { Application, DocumentContext, Jupyter, KernelConnection } from "./front_end.js" */

import { notify } from "./notices.js";

/** The versions of files that the user knows not to be loaded. */
/** @type {WeakMap<DocumentContext, string>} */
const reported = new WeakMap();

/**
 * Load the open files again that have changed. The notebook of the kernel is left out, because the agent changes it by its cells only.
 *
 * @param {Application} app
 * @param {Jupyter} jupyter
 * @param {KernelConnection} kernel
 */
export async function reloadChangedFiles(app, jupyter, kernel) {
  /** @type {Map<DocumentContext, string>} the state of the kernel of each document; empty without a kernel */
  const contexts = new Map();
  for (const { context, sessionContext } of app.shell.widgets("main")) {
    const own = sessionContext?.session?.kernel;
    // The documents of a shared session follow the file by themselves.
    if (context?.contentsModel && own?.id !== kernel.id && !context.model.collaborative) contexts.set(context, own?.status ?? "");
  }
  await Promise.all([...contexts].map(([context, status]) => reloadIfChanged(app, jupyter, context, status === "busy")));
}

/**
 * @param {Application} app
 * @param {Jupyter} jupyter
 * @param {DocumentContext} context
 * @param {boolean} isBusy
 */
async function reloadIfChanged(app, jupyter, context, isBusy) {
  /** @type {{ last_modified: string }} */
  let file;
  try {
    file = await app.serviceManager.contents.get(context.path, { content: false });
  } catch {
    return; // it was deleted, and JupyterLab reports this when it is saved
  }
  const known = context.contentsModel?.last_modified ?? file.last_modified;
  if (Date.parse(file.last_modified) <= Date.parse(known)) return;
  if (context.model.dirty || isBusy) {
    if (reported.get(context) === file.last_modified) return;
    reported.set(context, file.last_modified);
    const reason = isBusy ? "its kernel is busy" : "it has changes that are not saved";
    const text = `${context.path} was changed on disk. It is not loaded again, because ${reason}. File → Reload loads it.`;
    notify(jupyter, "warning", text);
  } else {
    await context.revert();
  }
}
