// The connection of the page with a kernel, by two comms; see pages.py.

/** @import { Comm, KernelConnection } from "./front_end.js" */
/** @import { Action, AnswerAction, CellsMessage, ChangeMessage, DecidedAction, MarkedMessage, Message, TurnInCell } from "./protocol.js" */

import { UserError, textOf } from "./errors.js";
import { COMM_TARGET, PROTOCOL } from "./protocol.js";

/** Waiting time for a comm on a subshell. Where subshells are switched off, JupyterLab's promise never resolves. */
const SUBSHELL_TIMEOUT_MS = 3000;
/** States of a kernel in which nothing runs any more. */
export const ENDED = ["restarting", "autorestarting", "terminating", "dead"];

/** @typedef {Action extends infer One ? One extends { id: number } ? Omit<One, "id"> : never : never} NewAction */

/**
 * What the page does for the kernel: show a change of a cell or the outputs of a turn, look for changed files, and use cells.
 *
 * @typedef {object} Handlers
 * @property {(kernel: KernelConnection, change: ChangeMessage) => unknown} change
 * @property {(kernel: KernelConnection, turn: TurnInCell) => unknown} outputs
 * @property {(kernel: KernelConnection) => unknown} files
 * @property {(kernel: KernelConnection, message: MarkedMessage) => unknown} marked
 * @property {(text: string) => unknown} problem shows the user a text of the kernel
 * @property {(kernel: KernelConnection) => unknown} ended called when the kernel has ended or restarts
 * @property {(kernel: KernelConnection, message: CellsMessage) => Promise<object>} cells
 */

export class Connection {
  /**
   * @param {KernelConnection} kernel
   * @param {boolean | undefined} shared if several people can edit the notebook at once; undefined if it is not known
   * @param {() => Record<string, any>} settings returns the settings that apply
   * @param {() => void} onClose called when the connection ends
   * @param {Handlers} handlers carry out what the kernel asks for
   * @param {boolean} wasConnected whether this page, before a reload, was connected with the kernel
   */
  constructor(kernel, shared, settings, onClose, handlers, wasConnected) {
    this.kernel = kernel;
    this.shared = shared;
    this.isOpen = false;
    this.settings = settings;
    /** The settings that the kernel has received. @type {Record<string, any>} */
    this.sentSettings = {};
    this.onClose = onClose;
    this.handlers = handlers;
    this.wasConnected = wasConnected;
    /** @type {Comm[]} */
    this.comms = [];
    /** @type {Map<number, { resolve: (result: Record<string, any>) => void, reject: (error: Error) => void }>} */
    this.waiting = new Map();
    this.nextId = 1;
    this.page = crypto.randomUUID();
    /** @type {(kernel: KernelConnection, status: string) => void} */
    this.onStatus = (_, status) => {
      if (!ENDED.includes(status)) return;
      this.close();
      this.handlers.ended(this.kernel);
    };
    this.onDisposed = () => this.close();
  }

  /**
   * Open the comms. Return whether the kernel has accepted them: one into which the extension is not loaded closes them.
   *
   * @returns {Promise<boolean>}
   */
  async open() {
    this.kernel.statusChanged.connect(this.onStatus);
    this.kernel.disposed.connect(this.onDisposed);
    const data = { page: this.page, protocol: PROTOCOL };
    const session = this.wasConnected && { session: this.kernel.clientId };
    if (this.wasConnected) await learnSubshells(this.kernel);
    const control = await this.openComm({ ...data, role: "control" });
    this.sentSettings = this.settings();
    const events = await this.openComm({ ...data, role: "events", settings: this.sentSettings, shared: this.shared, ...session });
    this.comms = [control, events];
    this.isOpen = await new Promise((resolve) => {
      control.onClose = () => resolve(false);
      events.onClose = () => resolve(false);
      events.onMsg = ({ content }) => {
        if (content.data.type !== "welcome") this.onMessage(content.data);
        else resolve(this.welcome(content.data));
      };
    });
    if (!this.isOpen) this.close();
    for (const comm of this.comms) comm.onClose = () => this.close();
    return this.isOpen;
  }

  /**
   * @param {object} data
   * @returns {Promise<Comm>}
   */
  async openComm(data) {
    const comm = this.kernel.createComm(COMM_TARGET);
    if (this.kernel.supportsSubshells && comm.subshellStarted) {
      await Promise.race([comm.subshellStarted, timeout()]);
    }
    comm.open(data);
    return comm;
  }

  /**
   * Return whether the kernel has the same version of the messages. Delete the subshells that pages have left in it.
   *
   * @param {import("./protocol.js").WelcomeMessage} message
   */
  welcome({ protocol, subshells }) {
    if (protocol !== PROTOCOL) return false;
    for (const id of subshells) this.kernel.requestDeleteSubshell?.({ subshell_id: id });
    return true;
  }

  /**
   * Close the comms. Actions that wait for an answer fail.
   *
   * @param {{ left?: boolean }} [data] `left` is true if the page ends
   */
  close(data = {}) {
    this.kernel.statusChanged.disconnect(this.onStatus);
    this.kernel.disposed.disconnect(this.onDisposed);
    for (const comm of this.comms) {
      comm.onClose = () => {};
      if (!comm.isDisposed && !this.kernel.isDisposed && this.kernel.status !== "dead") comm.close(data);
    }
    this.comms = [];
    for (const { reject } of this.waiting.values()) reject(new UserError("The kernel has ended or was restarted."));
    this.waiting.clear();
    if (this.isOpen) {
      this.isOpen = false;
      this.onClose();
    }
  }

  /**
   * Send an action, and return its result.
   *
   * @param {NewAction} action
   * @returns {Promise<Record<string, any>>}
   */
  send(action) {
    const control = this.comms[0];
    if (!control) return Promise.reject(new UserError("The page is not connected with the kernel."));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      control.send({ ...action, id });
    });
  }

  /**
   * Send an action that has no answer.
   *
   * @param {AnswerAction | DecidedAction} action
   */
  post(action) {
    this.comms[0]?.send(action);
  }

  /** Send the settings whose values the kernel has not received. Others would replace what `%config` has set in the notebook. */
  sendSettings() {
    const now = this.settings();
    const names = Object.keys({ ...this.sentSettings, ...now }).filter(
      (name) => JSON.stringify(this.sentSettings[name]) !== JSON.stringify(now[name]),
    );
    this.sentSettings = now;
    if (!names.length) return;
    const settings = Object.fromEntries(names.map((name) => [name, now[name] ?? null]));
    this.send({ do: "settings", settings }).catch((error) => this.isOpen && this.handlers.problem(textOf(error)));
  }

  /** @param {CellsMessage} message */
  async answer(message) {
    /** @type {AnswerAction} */
    const answer = { do: "answer", request: message.request, error: "", result: {} };
    try {
      answer.result = await this.handlers.cells(this.kernel, message);
    } catch (error) {
      answer.error = textOf(error) || "The page failed.";
      if (!(error instanceof UserError)) console.error(error);
    }
    this.post(answer);
  }

  /** @param {Message} message */
  onMessage(message) {
    if (message.type === "cells") this.answer(message);
    if (message.type === "change") this.handlers.change(this.kernel, message);
    if (message.type === "outputs") this.handlers.outputs(this.kernel, message.turn);
    if (message.type === "files") this.handlers.files(this.kernel);
    if (message.type === "marked") this.handlers.marked(this.kernel, message);
    if (message.type === "problem") this.handlers.problem(message.text);
    if (message.type !== "done") return;
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) waiting?.reject(new UserError(message.error));
    else waiting?.resolve(message.result);
  }
}

/** @returns {Promise<void>} */
const timeout = () => new Promise((resolve) => setTimeout(resolve, SUBSHELL_TIMEOUT_MS));

/**
 * Let JupyterLab learn that a kernel has subshells, also while a cell runs.
 *
 * A page asks this when it is loaded, on the shell that runs the cells. The answer would come after the cell, and the comms would wait,
 * too. So the page asks again on a subshell. A kernel without subshells does not answer.
 *
 * @param {KernelConnection} kernel
 */
async function learnSubshells(kernel) {
  const isKnown = await Promise.race([kernel.info.then(() => true), timeout()]);
  if (isKnown || kernel.subshellId === undefined) return;
  await Promise.race([kernel.info, askOnSubshell(kernel), timeout()]);
}

/** @param {KernelConnection} kernel */
async function askOnSubshell(kernel) {
  const id = { msg_id: crypto.randomUUID(), session: kernel.clientId, username: "", date: new Date().toISOString() };
  const header = { ...id, msg_type: "create_subshell_request", version: "5.5" };
  const message = { header, parent_header: {}, metadata: {}, content: {}, buffers: [] };
  const { content } = await kernel.sendControlMessage({ ...message, channel: "control" }, true).done;
  const earlier = kernel.subshellId;
  kernel.subshellId = content.subshell_id;
  const info = kernel.requestKernelInfo();
  kernel.subshellId = earlier;
  await info;
  kernel.requestDeleteSubshell?.(content);
}
