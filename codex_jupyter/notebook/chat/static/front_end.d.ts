// The parts of anywidget, Jupyter widgets and JupyterLab that the chat uses. All but WidgetModel's own members can be missing.

export interface WidgetModel {
  get(name: string): string;
  set(name: string, value: string): void;
  save_changes(): void;
  on(event: "msg:custom", listener: (message: any) => void): void;
  send(message: object, callbacks?: undefined, buffers?: ArrayBuffer[]): void;
  widget_manager?: WidgetManager;
}

export interface WidgetManager {
  kernel?: KernelConnection;
  context?: { model?: { sharedModel?: SharedNotebook } };
}

export interface KernelConnection {
  status: string;
  supportsSubshells?: boolean;
  statusChanged?: Signal<string>;
  createComm?(target: string): KernelComm;
  interrupt(): Promise<void>;
}

export interface KernelComm {
  isDisposed: boolean;
  subshellStarted?: Promise<void>;
  onClose: () => void;
  open(data: object): void;
  send(data: object, metadata?: undefined, buffers?: ArrayBuffer[]): void;
  close(): void;
}

export interface Signal<T> {
  connect(slot: (sender: unknown, value: T) => void): void;
  disconnect(slot: (sender: unknown, value: T) => void): void;
}

export interface SharedNotebook {
  cells: SharedCell[];
  insertCell?(index: number, cell: { cell_type: string; source: string; metadata: object }): SharedCell;
  getMetadata?(key: string): Record<string, any> | undefined;
  setMetadata?(key: string, value: object): void;
}

export interface SharedCell {
  id: string;
  changed?: Signal<unknown>;
  toJSON(): { outputs?: Output[] };
  updateOutputs?(start: number, end: number, outputs: Output[]): void;
}

export interface Output {
  output_type: string;
  name?: string;
  text?: string;
  data?: Record<string, any>;
}
