// The parts of JupyterLab that the extension uses.

export interface SharedVersion {
  loaded?: boolean | number;
  get(): Promise<() => any>;
}

export type ShareScope = Record<string, Record<string, SharedVersion>>;

declare global {
  interface Window {
    _JUPYTERLAB?: Record<string, { init(scope: ShareScope): Promise<void>; get(name: string): Promise<() => object> }>;
  }
}

/** The shared modules. Their values are classes, functions and tokens. */
export interface Jupyter {
  apputils: any;
  cells: any;
  language: any;
  launcher: any;
  notebook: any;
  rendermime: any;
  settingregistry: any;
  state: any;
  ui: any;
  view: any;
  widgets: any;
}

export interface Signal<Sender, Value> {
  connect(slot: (sender: Sender, value: Value) => void): boolean;
  disconnect(slot: (sender: Sender, value: Value) => void): boolean;
}

export interface Application {
  commands: Commands;
  contextMenuHitTest(test: (node: HTMLElement) => boolean): HTMLElement | undefined;
  serviceManager: {
    kernelspecs: { specs: KernelSpecs | null; ready: Promise<void> };
    contents: { get(path: string, options: { content: boolean }): Promise<{ last_modified: string }> };
  };
  shell: Shell;
  restored: Promise<unknown>;
}

export interface KernelSpecs {
  default: string;
  kernelspecs: Record<string, { name: string; language: string } | undefined>;
}

export interface Shell {
  add(widget: Widget, area: string, options?: object): void;
  activateById(id: string): void;
  widgets(area: string): Iterable<Widget & { context?: DocumentContext; sessionContext?: SessionContext }>;
}

export interface DocumentContext {
  path: string;
  contentsModel: { last_modified: string } | null;
  model: { dirty: boolean; collaborative?: boolean };
  revert(): Promise<void>;
}

export interface CommandOptions {
  label: string;
  caption?: string;
  icon?: unknown;
  execute(args: Record<string, unknown>): unknown;
  isEnabled?(): boolean;
  isVisible?(): boolean;
}

export interface Commands {
  addCommand(id: string, options: CommandOptions): unknown;
  execute(id: string, args?: object): Promise<any>;
  notifyCommandChanged(id?: string): void;
}

export interface Widget {
  id: string;
  node: HTMLElement;
  isVisible: boolean;
  isDisposed: boolean;
  title: { label: string; caption: string; icon: unknown; closable: boolean };
  disposed: Signal<unknown, unknown>;
  addClass(name: string): void;
  hasClass(name: string): boolean;
  dispose(): void;
}

export interface NotebookTracker {
  currentWidget: NotebookPanel | null;
  activeCell: Cell | null;
  currentChanged: Signal<NotebookTracker, NotebookPanel | null>;
  activeCellChanged: Signal<NotebookTracker, Cell | null>;
  widgetAdded: Signal<NotebookTracker, NotebookPanel>;
  forEach(visit: (panel: NotebookPanel) => void): void;
}

export interface NotebookPanel extends Widget {
  content: Notebook;
  context: { path: string; pathChanged: Signal<unknown, string>; ready: Promise<void>; save(): Promise<void>; model: NotebookModel };
  sessionContext: SessionContext;
  revealed: Promise<void>;
}

export interface SessionContext {
  session: { kernel: KernelConnection | null } | null;
  ready: Promise<void>;
  disposed: Signal<SessionContext, unknown>;
  kernelChanged: Signal<SessionContext, { oldValue: KernelConnection | null; newValue: KernelConnection | null }>;
  statusChanged: Signal<SessionContext, string>;
}

export interface Notebook extends Widget {
  model: NotebookModel | null;
  widgets: Cell[];
  activeCell: Cell | null;
  activeCellIndex: number;
  mode: "command" | "edit";
  rendermime: RenderMime;
  notebookConfig?: { recordTiming: boolean };
  scrollToItem?(index: number): Promise<void>;
}

export interface RenderMime {
  createRenderer(type: string): Widget & { renderModel(model: object): Promise<void> };
}

export interface NotebookModel {
  cells: CellList;
  sharedModel: SharedNotebook;
  readOnly: boolean;
  /** True if the notebook is edited by several people at once. Notebook models of other front ends may lack it. */
  collaborative?: boolean;
}

export interface CellList {
  length: number;
  get(index: number): CellModel;
  changed: Signal<unknown, unknown>;
}

export interface CellModel {
  id: string;
  type: string;
  sharedModel: SharedCell;
  executionCount?: number | null;
  executionState?: string;
  stateChanged: Signal<unknown, unknown>;
  outputs?: OutputList;
  contentChanged: Signal<unknown, unknown>;
}

export interface OutputList {
  length: number;
  get(index: number): OutputModel;
  set(index: number, output: object): void;
  add(output: object): number;
  fromJSON(outputs: object[]): void;
  clear(wait?: boolean): void;
  changed: Signal<unknown, unknown>;
}

export interface OutputModel {
  type: string;
  data: Record<string, any>;
  metadata: Record<string, any>;
  setData(options: { data?: Record<string, any>; metadata?: Record<string, any> }): void;
  toJSON(): Record<string, any>;
}

export interface SharedNotebook {
  cells: SharedCell[];
  transact(edit: () => void, undoable?: boolean): void;
  insertCell(index: number, cell: object): SharedCell;
  moveCell(from: number, to: number): void;
  deleteCell(index: number): void;
  /** The undo manager of Yjs. */
  undoManager?: { captureTimeout: number; lastChange: number; undoStack: unknown[]; stopCapturing(): void };
}

export interface SharedCell {
  id: string;
  cell_type: string;
  source: string;
  getSource(): string;
  setSource(source: string): void;
  getMetadata?(key: string): unknown;
  toJSON(): Record<string, any>;
}

export interface Cell extends Widget {
  model: CellModel;
  ready: Promise<void>;
  /** The editor, and its view of CodeMirror. */
  editor: {
    injectExtension(extension: unknown): void;
    setCursorPosition(position: { line: number; column: number }): void;
    editor: any;
  } | null;
  outputArea?: Widget & { layout: { widgets: Widget[] } };
  /** Of a Markdown cell. */
  rendered?: boolean;
}

export interface KernelConnection {
  id: string;
  name: string;
  /** The session of the page. */
  clientId: string;
  status: string;
  isDisposed: boolean;
  supportsSubshells?: boolean;
  subshellId?: string | null;
  /** Resolves when the kernel has answered the first message. */
  info: Promise<unknown>;
  requestKernelInfo(): Promise<unknown>;
  sendControlMessage(message: object, expectReply: boolean): { done: Promise<any> };
  /** Accept requests again although an input was requested. Of JupyterLab 4. */
  removeInputGuard?(): void;
  requestDeleteSubshell?(content: { subshell_id: string }): unknown;
  statusChanged: Signal<KernelConnection, string>;
  iopubMessage: Signal<KernelConnection, any>;
  disposed: Signal<KernelConnection, unknown>;
  createComm(target: string): Comm;
  requestExecute(content: object, disposeOnDone?: boolean): { done: Promise<any>; msg: { header: { msg_id: string } } };
  interrupt(): Promise<void>;
}

export interface Comm {
  isDisposed: boolean;
  subshellStarted?: Promise<void>;
  onMsg: (message: any) => void;
  onClose: (message: any) => void;
  open(data: object): unknown;
  send(data: object): unknown;
  close(data?: object): unknown;
}

export interface Settings {
  id: string;
  composite: Record<string, any>;
  changed: Signal<Settings, unknown>;
  set(key: string, value: unknown): Promise<void>;
  registry: { reload(plugin: string): Promise<Settings> };
}
