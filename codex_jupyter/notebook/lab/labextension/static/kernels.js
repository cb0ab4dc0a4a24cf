// Kernels: which are supported, how the extension is loaded into one, and which notebooks use one.

/** @import { Application, KernelConnection, NotebookPanel, NotebookTracker } from "./front_end.js" */

import { UserError } from "./errors.js";

/** The state of the extension in one word. The package is not imported. */
const PROBE =
  "'loaded' if 'codex_jupyter' in shell.extension_manager.loaded " +
  "else 'installed' if importlib.util.find_spec('codex_jupyter') else 'missing'";
const LOAD = "shell.extension_manager.load_extension('codex_jupyter')";
/** Evaluates `{}` without the notebook's folder: a module that lies there must not run because a button was used, or a prompt was run. */
const WITHOUT_FOLDER = `
import importlib.util, sys
path = list(sys.path)
sys.path[:] = [folder for folder in path if folder]
try:
    answer = {}
finally:
    sys.path[:] = path
`;
/** Limit of requests that a failed cell ends. */
const MAX_ATTEMPTS = 5;
const INSTALL = "%pip install codex-jupyter";

/**
 * Return the kernel of a notebook, or null if it has none or it is not a Python kernel.
 *
 * @param {Application} app
 * @param {NotebookPanel | null} panel
 */
export function supportedKernel(app, panel) {
  const kernel = panel?.sessionContext.session?.kernel;
  const language = kernel && app.serviceManager.kernelspecs.specs?.kernelspecs[kernel.name]?.language;
  return kernel && language?.toLowerCase() === "python" ? kernel : null;
}

/**
 * Return `loaded`, `installed` or `missing`.
 *
 * @param {KernelConnection} kernel
 * @returns {Promise<string>}
 */
export async function findExtension(kernel) {
  const answer = await evaluate(kernel, PROBE);
  const word = answer?.data?.["text/plain"];
  if (!word) throw new UserError("This kernel is not an IPython kernel, so Codex cannot run in it.");
  return word.replaceAll("'", "");
}

/**
 * Load the extension into a kernel.
 *
 * @param {KernelConnection} kernel
 */
export async function loadExtension(kernel) {
  const answer = await evaluate(kernel, LOAD);
  if (answer?.status === "error") throw new UserError(`The kernel cannot load codex-jupyter: ${answer.ename}: ${answer.evalue}`);
}

/**
 * Load the extension into a kernel, if its package is installed there. Until it is loaded, the kernel runs nothing else.
 *
 * @param {KernelConnection} kernel
 */
export const loadIfInstalled = (kernel) => evaluate(kernel, LOAD).catch(() => undefined);

/**
 * Return the open notebooks of a kernel.
 *
 * @param {NotebookTracker} tracker
 * @param {KernelConnection} kernel
 */
export function panelsOf(tracker, kernel) {
  /** @type {NotebookPanel[]} */
  const panels = [];
  tracker.forEach((panel) => {
    if (!panel.isDisposed && panel.sessionContext.session?.kernel?.id === kernel.id) panels.push(panel);
  });
  return panels;
}

/** Return the error for an environment without the package. */
export const missingPackage = () =>
  new UserError(
    "The environment of this kernel does not contain codex-jupyter. Install it there, for example by a cell with the code below, and " +
      "restart the kernel.",
    INSTALL,
  );

/**
 * Evaluate an expression in a kernel, in silence: without an output, a variable or an entry in the history.
 *
 * @param {KernelConnection} kernel
 * @param {string} expression
 */
async function evaluate(kernel, expression) {
  const code = JSON.stringify(WITHOUT_FOLDER.replace("{}", expression));
  const expressions = { answer: `(lambda scope: exec(${code}, scope) or scope["answer"])({"shell": get_ipython()})` };
  const content = { code: "", silent: true, store_history: false, user_expressions: expressions, allow_stdin: false, stop_on_error: false };
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const { content: reply } = await kernel.requestExecute(content).done;
    // A cell that failed before it also ends the requests that waited behind it.
    if (reply.status !== "aborted") return reply.user_expressions?.answer;
  }
  throw new UserError("The kernel runs cells that fail. Try again when it is idle.");
}
