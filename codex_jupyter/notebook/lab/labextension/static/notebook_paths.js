// The kernel learns the file names of its notebooks, which it does not learn after a rename. It protects these files from the agent.

/** @import { KernelConnection, NotebookPanel, NotebookTracker } from "./front_end.js" */
/** @import { Connections } from "./connections.js" */

import { panelsOf } from "./kernels.js";

/**
 * Send the paths of the open notebooks to their kernels: after the connection, and after a rename.
 *
 * @param {NotebookTracker} tracker
 * @param {Connections} connections
 */
export function sendPaths(tracker, connections) {
  const root = serverRoot(document);
  if (!root) return;
  const send = () => {
    for (const connection of connections.open.values()) {
      const paths = pathsOf(tracker, connection.kernel, root);
      connection.send({ do: "notebooks", paths }).catch((error) => console.warn(error));
    }
  };
  const follow = (/** @type {NotebookPanel} */ panel) => panel.context.pathChanged.connect(send);
  connections.listeners.add(send);
  tracker.widgetAdded.connect((_, panel) => follow(panel));
  tracker.forEach(follow);
}

/**
 * Return the paths of the open notebooks of a kernel, with the folder of the server.
 *
 * @param {NotebookTracker} tracker
 * @param {KernelConnection} kernel
 * @param {string} root
 */
export function pathsOf(tracker, kernel, root) {
  // A notebook that several people edit has a prefix with the name of its drive.
  return panelsOf(tracker, kernel).map(({ context }) => `${root}/${context.path.replace(/^[^/:]*:/, "")}`);
}

/**
 * Return the folder of the server, which can start with `~`. Empty if the page does not contain it.
 *
 * @param {Document} page
 * @returns {string}
 */
function serverRoot(page) {
  try {
    return String(JSON.parse(page.getElementById("jupyter-config-data")?.textContent ?? "{}").serverRoot ?? "");
  } catch {
    return "";
  }
}
