// The connection of the page with the kernel. Without an action of the user, only the state and the saved copy are requested.

/** @import { KernelComm, WidgetModel } from "./front_end.js" */
/** @import { Action, Message } from "./protocol.js" */
/** @import { Change } from "./store.js" */

import { COMM_TARGET } from "./protocol.js";
import { copyIsOutdated, restoreCopyAfterErrors, replaceCopy } from "./saved_copy.js";
import { saveState } from "./saved_widget.js";
import { newState, receive } from "./store.js";

/** Waiting time for the comm on a subshell, and for an answer before the user is informed. */
const CONTROL_TIMEOUT_MS = 3000;
/** Requests for a state that is not answered. A saved page may show a widget that the kernel does not know. */
const STATE_REQUESTS = 5;
/** The kernel updates the saved copy by itself, if the front end lets it. */
const COPY_CHECK_DELAY_MS = 1000;
const BUSY = "The kernel is busy. This is done when the running cell has ended.";
const KERNEL_ENDED = ["restarting", "autorestarting", "terminating", "dead"];

/**
 * @typedef {object} View
 * @property {(change: Change) => void} apply shows a change of the state
 * @property {(text: string, transient?: boolean) => void} notify shows a message to the user
 * @property {() => void} followEnd scrolls to the end when the conversation grows
 */

export class Connection {
  /** @param {WidgetModel} model */
  constructor(model) {
    this.model = model;
    this.state = newState();
    /** @type {Set<View>} */
    this.views = new Set();
    /**
     * The comm on a subshell. The kernel handles its messages while a cell runs. Null if there is none.
     *
     * @type {Promise<KernelComm | null>}
     */
    this.control = Promise.resolve(null);
    /** @type {Map<number, (error: string) => void>} */
    this.waiting = new Map();
    this.nextId = 1;
    /** The id of the widget of which a state is saved. */
    this.savedId = "";
    /** The timer that asks for a state again. Undefined if none is awaited. */
    this.stateTimer = /** @type {ReturnType<typeof setInterval> | undefined} */ (undefined);
  }

  /**
   * Connect to the kernel. Return a function that disconnects.
   *
   * @returns {() => void}
   */
  open() {
    const kernel = this.model.widget_manager?.kernel;
    /** @type {(sender: unknown, status: string) => void} */
    const onStatus = (_, status) => {
      if (KERNEL_ENDED.includes(status)) this.onKernelEnded();
    };
    this.model.on("msg:custom", (message) => this.onMessage(message));
    kernel?.statusChanged?.connect(onStatus);
    const opening = this.openControl().catch(() => null);
    // Where subshells are switched off, JupyterLab's promise never resolves.
    this.control = Promise.race([opening, new Promise((resolve) => setTimeout(resolve, CONTROL_TIMEOUT_MS, null))]);
    this.model.send({ do: "sync" });
    this.awaitState();
    opening.then((control) => {
      if (!control) return;
      this.control = opening;
      // While a cell runs, only this request arrives.
      if (!this.state.secret) this.post({ do: "sync" });
    });
    return () => {
      kernel?.statusChanged?.disconnect(onStatus);
      clearInterval(this.stateTimer);
      opening.then((control) => control?.close());
    };
  }

  /**
   * Ask for the state again while the kernel is idle and has not sent it: the request or the answer was lost. JupyterLab can lose
   * messages while it connects again, such as at a restart of the kernel.
   */
  awaitState() {
    clearInterval(this.stateTimer);
    let left = STATE_REQUESTS - 1;
    this.stateTimer = setInterval(() => {
      if (this.model.widget_manager?.kernel?.status !== "idle") return;
      if (this.state.ended || left-- <= 0) clearInterval(this.stateTimer);
      else this.post({ do: "sync" });
    }, CONTROL_TIMEOUT_MS);
  }

  /** Return the comm on a subshell, or null if the front end or the kernel does not support it. */
  async openControl() {
    const kernel = this.model.widget_manager?.kernel;
    if (!kernel?.createComm || !kernel.supportsSubshells) return null;
    const comm = kernel.createComm(COMM_TARGET);
    if (!comm.subshellStarted) return null;
    await comm.subshellStarted;
    comm.onClose = () => {
      this.control = Promise.resolve(null);
    };
    comm.open({ chat: this.model.get("_key") });
    return comm;
  }

  /**
   * Send a message without waiting for an answer.
   *
   * @param {Action & { id?: number, secret?: string }} message
   * @param {ArrayBuffer[]} [buffers]
   */
  async post(message, buffers) {
    const control = await this.control;
    if (control && !control.isDisposed) control.send({ ...message, chat: this.model.get("_key") }, undefined, buffers);
    else this.model.send(message, undefined, buffers);
  }

  /**
   * Send an action to the kernel. Return its error, or an empty text.
   *
   * @param {Action} action
   * @param {ArrayBuffer[]} [buffers]
   * @returns {Promise<string>}
   */
  send(action, buffers = []) {
    const id = this.nextId++;
    const late = setTimeout(() => this.notify(BUSY, true), CONTROL_TIMEOUT_MS);
    return new Promise((resolve) => {
      this.waiting.set(id, (error) => {
        clearTimeout(late);
        resolve(error);
      });
      this.post({ ...action, id, secret: this.state.secret }, buffers);
    });
  }

  /** @param {Message} message */
  onMessage(message) {
    for (const change of receive(this.state, message, Date.now())) this.onChange(change);
  }

  /** @param {Change} change */
  onChange(change) {
    switch (change.kind) {
      case "resync":
        this.post({ do: "sync" });
        this.awaitState();
        break;
      case "reset":
        clearInterval(this.stateTimer);
        this.show(change);
        break;
      case "copy":
        replaceCopy(this.model, change.bundle);
        break;
      case "done":
        if (change.id !== null) {
          this.waiting.get(change.id)?.(change.error);
          this.waiting.delete(change.id);
        }
        if (change.error) this.notify(change.error);
        break;
      case "end":
        setTimeout(() => {
          if (copyIsOutdated(this.model, change.copy)) this.send({ do: "copy" });
        }, COPY_CHECK_DELAY_MS);
        this.show(change);
        break;
      case "meta":
        this.keepState();
        this.show(change);
        break;
      default:
        this.show(change);
    }
  }

  /** Save a state of the widget, once. */
  keepState() {
    const id = this.state.meta?.id;
    if (!id || this.savedId === id) return;
    this.savedId = id;
    // The outputs of the cell come a moment after the widget.
    setTimeout(() => saveState(this.model, id), COPY_CHECK_DELAY_MS);
  }

  onKernelEnded() {
    this.state.ended = true;
    restoreCopyAfterErrors(this.model);
    this.show({ kind: "meta" });
  }

  /** @param {Change} change */
  show(change) {
    for (const view of this.views) view.apply(change);
  }

  /**
   * @param {string} text
   * @param {boolean} [transient]
   */
  notify(text, transient = false) {
    for (const view of this.views) view.notify(text, transient);
  }
}
