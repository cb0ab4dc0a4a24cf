// The panel at the side: the chat of the active notebook.

/** @import { Application, Jupyter, NotebookPanel, NotebookTracker, Widget } from "./front_end.js" */
/** @import { Connections } from "./connections.js" */

import { button, make, message } from "./dom.js";
import { UserError, textOf } from "./errors.js";
import { supportedKernel } from "./kernels.js";

const WIDGET_TYPE = "application/vnd.jupyter.widget-view+json";

export class ChatPanel {
  /**
   * @param {Application} app
   * @param {Jupyter} jupyter
   * @param {NotebookTracker} tracker
   * @param {Connections} connections
   * @param {Widget & { layout: any }} widget the empty panel
   */
  constructor(app, jupyter, tracker, connections, widget) {
    this.app = app;
    this.jupyter = jupyter;
    this.tracker = tracker;
    this.connections = connections;
    this.widget = widget;
    /** @type {string | null} what is shown: the id of a kernel, or the name of a message */
    this.shown = null;
    const update = () => this.update();
    tracker.currentChanged.connect(update);
    connections.listeners.add(update);
    tracker.widgetAdded.connect((_, panel) => panel.sessionContext.kernelChanged.connect(update));
    tracker.forEach((panel) => panel.sessionContext.kernelChanged.connect(update));
    this.update();
  }

  /** Open the panel, and the chat of the active notebook. The user can write at once. */
  async open() {
    this.app.shell.activateById(this.widget.id);
    await this.start();
    this.focus();
  }

  /** Move the focus to the box for the message when it is there, unless the user has moved the focus meanwhile. */
  focus() {
    const before = document.activeElement;
    const move = () => {
      if (document.activeElement !== before) return true;
      const box = this.widget.node.querySelector("textarea");
      box?.focus();
      return box !== null;
    };
    if (move() || !this.connections.of(this.tracker.currentWidget)) return;
    const observer = new MutationObserver(() => move() && observer.disconnect());
    observer.observe(this.widget.node, { childList: true, subtree: true });
  }

  /** Show what belongs to the active notebook. A panel that is not visible loads no chat. */
  update() {
    if (!this.widget.isVisible) return;
    const panel = this.tracker.currentWidget;
    const connection = this.connections.of(panel);
    if (connection && panel) this.showChat(panel, connection).catch((error) => this.showError(error));
    else if (!supportedKernel(this.app, panel)) this.showText("none", "Open a notebook with a Python kernel to use Codex.");
    else this.showStart();
  }

  async start() {
    const notebook = this.tracker.currentWidget;
    try {
      await this.connections.connect(notebook);
    } catch (error) {
      // The notebook was closed meanwhile, or another one is active.
      if (notebook === this.tracker.currentWidget) this.showError(error);
      else this.update();
    }
  }

  showStart() {
    if (this.shown === "start") return;
    const text = "Codex can work in this notebook: answer questions, run code in its kernel and edit its cells.";
    this.show("start", make("p", {}, text), button("Start Codex", () => this.start(), "accept"));
  }

  /** @param {unknown} error */
  showError(error) {
    const code = error instanceof UserError && error.code ? [make("pre", {}, error.code)] : [];
    this.show("error", make("p", { role: "alert" }, ...message(textOf(error))), ...code, button("Try again", () => this.start()));
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  showText(name, text) {
    if (this.shown !== name) this.show(name, make("p", {}, text));
  }

  /**
   * @param {string} name
   * @param {...Node} nodes
   */
  show(name, ...nodes) {
    this.shown = name;
    this.clear();
    const body = new this.jupyter.widgets.Widget({ node: make("div", { class: "codex-lab-message" }, ...nodes) });
    this.widget.layout.addWidget(body);
  }

  clear() {
    for (const child of [...this.widget.layout.widgets]) child.dispose();
  }

  /**
   * @param {NotebookPanel} panel
   * @param {import("./connection.js").Connection} connection
   */
  async showChat(panel, connection) {
    const name = `kernel ${connection.page}`;
    if (this.shown === name) return;
    this.showText(name, "The chat is loading.");
    const { bundle } = await connection.send({ do: "chat" });
    // Meanwhile another notebook may have become active.
    if (this.shown !== name) return;
    const renderer = panel.content.rendermime.createRenderer(WIDGET_TYPE);
    this.clear();
    this.widget.layout.addWidget(renderer);
    await renderer.renderModel(new this.jupyter.rendermime.MimeModel({ data: bundle, trusted: true }));
  }
}
