// The connections of the page: one for each kernel in which the user has used Codex.

/** @import { Application, KernelConnection, NotebookPanel, Settings } from "./front_end.js" */
/** @import { Handlers } from "./connection.js" */

import { Connection } from "./connection.js";
import { UserError } from "./errors.js";
import { findExtension, loadExtension, missingPackage, supportedKernel } from "./kernels.js";

/** The setting that remembers the consent. */
export const CONSENT = "load_into_kernels";
/** Kernels that were connected before the page was loaded, also in another tab of the browser. */
const STORAGE = "codex-jupyter:kernels";

export class Connections {
  /**
   * @param {Application} app
   * @param {Settings | null} settings the settings, if the front end has them
   * @param {() => Promise<boolean>} askConsent asks the user if the extension may be loaded into kernels
   * @param {Handlers} handlers carry out what the kernels ask for
   */
  constructor(app, settings, askConsent, handlers) {
    this.app = app;
    this.settings = settings;
    this.askConsent = askConsent;
    this.handlers = handlers;
    /** @type {Map<string, Promise<Connection>>} by the id of the kernel */
    this.opening = new Map();
    /** @type {Map<string, Promise<Connection | null>>} by the id of the kernel, if it is not known that the extension is loaded there */
    this.checking = new Map();
    /** @type {Map<string, Connection>} by the id of the kernel */
    this.open = new Map();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** Connects other notebooks with a kernel whose connection has ended with its notebook. */
    this.reconnect = () => {};
    settings?.changed.connect(() => {
      for (const connection of this.open.values()) connection.sendSettings();
    });
    // The kernel does not learn in another way that the page ends.
    addEventListener("pagehide", ({ persisted }) => {
      for (const connection of [...this.open.values()]) connection.close({ left: !persisted });
    });
  }

  /**
   * Return the open connection with the kernel of a notebook, or null.
   *
   * @param {NotebookPanel | null} panel
   */
  of(panel) {
    const kernel = supportedKernel(this.app, panel);
    return (kernel && this.open.get(kernel.id)) ?? null;
  }

  /**
   * Connect with the kernel of a notebook. Load the extension if the user consents.
   *
   * @param {NotebookPanel | null} panel
   * @returns {Promise<Connection>}
   */
  connect(panel) {
    const kernel = supportedKernel(this.app, panel);
    if (!kernel) return Promise.reject(new UserError("Open a notebook with a Python kernel first."));
    const open = this.open.get(kernel.id);
    if (open) return Promise.resolve(open);
    const opening = this.opening.get(kernel.id) ?? this.connectWith(kernel, panel);
    this.opening.set(kernel.id, opening);
    return opening.finally(() => this.opening.delete(kernel.id));
  }

  /**
   * Connect with the kernel of a notebook if the extension is loaded there. Never load it.
   *
   * @param {NotebookPanel} panel
   */
  async connectIfLoaded(panel) {
    const kernel = supportedKernel(this.app, panel);
    if (!kernel || this.open.has(kernel.id) || this.opening.has(kernel.id) || this.checking.has(kernel.id)) return;
    const checking = this.openWith(kernel, panel).finally(() => this.checking.delete(kernel.id));
    this.checking.set(kernel.id, checking);
    await checking;
  }

  /** @param {NotebookPanel} panel */
  wasConnected(panel) {
    const kernel = supportedKernel(this.app, panel);
    return kernel !== null && remembered().includes(kernel.id);
  }

  /**
   * @param {KernelConnection} kernel
   * @param {NotebookPanel | null} panel
   */
  async connectWith(kernel, panel) {
    // A cell that was run before can be connecting already.
    await this.checking.get(kernel.id);
    const present = this.open.get(kernel.id);
    if (present) return present;
    const connection = remembered().includes(kernel.id) ? await this.openWith(kernel, panel) : null;
    if (connection) return connection;
    const state = await findExtension(kernel);
    if (state === "missing") throw missingPackage();
    if (state === "installed") {
      if (!this.hasConsent && !(await this.askConsent())) throw new UserError("Codex was not loaded into the kernel.");
      await loadExtension(kernel);
    }
    const opened = await this.openWith(kernel, panel);
    if (!opened) throw new UserError("The kernel has another version of codex-jupyter than JupyterLab. Install the same version in both.");
    return opened;
  }

  /** True if the user has allowed to load the extension into kernels. */
  get hasConsent() {
    return this.settings?.composite[CONSENT] === true;
  }

  /** The settings that apply in kernels, with the defaults. */
  get kernelSettings() {
    const settings = { ...this.settings?.composite };
    delete settings[CONSENT];
    return settings;
  }

  /**
   * @param {KernelConnection} kernel
   * @param {NotebookPanel | null} panel
   * @returns {Promise<Connection | null>}
   */
  async openWith(kernel, panel) {
    // They can have changed in another tab of the browser, which JupyterLab does not notice.
    await this.settings?.registry.reload(this.settings.id).catch((error) => console.warn(error));
    const connection = new Connection(
      kernel,
      panel?.context.model.collaborative,
      () => this.kernelSettings,
      () => {
        this.open.delete(kernel.id);
        this.changed();
      },
      this.handlers,
      remembered().includes(kernel.id),
    );
    if (!(await connection.open())) return null;
    panel?.sessionContext.disposed.connect(() => {
      connection.close();
      this.reconnect();
    });
    this.open.set(kernel.id, connection);
    // They can have changed while the connection was being opened.
    connection.sendSettings();
    remember(kernel.id);
    this.changed();
    return connection;
  }

  changed() {
    for (const listener of this.listeners) listener();
  }
}

/** @returns {string[]} */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {string} id */
function remember(id) {
  const ids = remembered().filter((other) => other !== id);
  localStorage.setItem(STORAGE, JSON.stringify([...ids, id].slice(-50)));
}
