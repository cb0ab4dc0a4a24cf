// Insert code into the notebook, where the front end has cells.

/** @import { WidgetModel } from "./front_end.js" */

/** Inserts cells below the cell of a chat. */
export class CellInserter {
  /** @param {WidgetModel} model */
  constructor(model) {
    this.model = model;
    /** @type {Set<string>} */
    this.inserted = new Set();
  }

  /**
   * Insert a cell below those that were inserted before, so that code comes in the order in which it was inserted. Return whether the
   * front end has cells.
   *
   * @param {string} source
   * @param {string | undefined} widgetId the id of the chat's widget model
   * @param {Element} element an element of the chat
   */
  insert(source, widgetId, element) {
    const notebook = this.model.widget_manager?.context?.model?.sharedModel;
    if (!notebook?.insertCell) return false;
    let own = widgetId ? notebook.cells.findIndex((cell) => JSON.stringify(cell.toJSON().outputs ?? []).includes(widgetId)) : -1;
    if (own < 0) own = indexOfCell(element);
    let index = (own < 0 ? notebook.cells.length - 1 : own) + 1;
    while (this.inserted.has(notebook.cells[index]?.id ?? "")) index += 1;
    this.inserted.add(notebook.insertCell(index, { cell_type: "code", source, metadata: {} }).id);
    return true;
  }
}

/**
 * Return the index of the cell around an element. Inside another widget, the cell's output has only the id of that widget.
 *
 * @param {Element} element
 */
function indexOfCell(element) {
  const cell = element.closest("[data-windowed-list-index]") ?? element.closest(".jp-Cell");
  if (!(cell instanceof HTMLElement)) return -1;
  return Number(cell.dataset.windowedListIndex ?? [...(cell.parentElement?.children ?? [])].indexOf(cell));
}
