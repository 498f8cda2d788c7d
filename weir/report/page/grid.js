// Grids of cells: hovering and arrow keys. `describe(row, column)` gives {head, rows} of a cell.
function hoverGrid(svg, describe, onCell) {
  const grid = numbersOf(svg, ["left", "top", "cellWidth", "cellHeight", "columns", "rows"]);
  let cell = null;

  function moveTo(row, column, x, y) {
    svg.querySelectorAll(".cursor, .cursor-halo").forEach((old) => old.remove());
    cell = { row, column };
    for (const name of ["cursor-halo", "cursor"]) {
      svgElement(svg, "rect", {
        class: name,
        x: grid.left + column * grid.cellWidth - 0.5, y: grid.top + row * grid.cellHeight - 0.5,
        width: grid.cellWidth, height: grid.cellHeight,
      });
    }
    const text = describe(row, column);
    showTip(x, y, text.head, text.rows);
    if (onCell) onCell(row, column);
  }

  function leave() {
    svg.querySelectorAll(".cursor, .cursor-halo").forEach((old) => old.remove());
    cell = null;
    hideTip();
    if (onCell) onCell(null, null);
  }

  svg.addEventListener("pointermove", (event) => {
    const point = pointIn(svg, event);
    const column = Math.floor((point.x - grid.left) / grid.cellWidth);
    const row = Math.floor((point.y - grid.top) / grid.cellHeight);
    const isInside = column >= 0 && row >= 0 && column < grid.columns && row < grid.rows;
    if (isInside) moveTo(row, column, event.clientX, event.clientY);
    else if (cell) leave();
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const row = cell ? Math.min(grid.rows - 1, Math.max(0, cell.row + step[0])) : 0;
    const column = cell ? Math.min(grid.columns - 1, Math.max(0, cell.column + step[1])) : 0;
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    moveTo(row, column, box.left + (grid.left + (column + 1) * grid.cellWidth) * scale,
           box.top + (grid.top + (row + 1) * grid.cellHeight) * scale);
  });
}

// What a map says of a cell; rows are counted from the top of the drawing.
function cellTexts(map, drawnRow, column) {
  const row = map.y_up ? map.values.length - 1 - drawnRow : drawnRow;
  const tick = (ticks, i) => (ticks.length ? visible(ticks[i]) : String(i));
  const rows = [
    { name: map.value_label || "value", value: number(map.values[row][column]) },
    { name: map.y_label || "row", value: tick(map.y_ticks, row) },
    { name: map.x_label || "column", value: tick(map.x_ticks, column) + (map.x_ticks.length ? "  (" + column + ")" : "") },
  ];
  return { head: map.cell_text.length ? visible(map.cell_text[row][column]) : "", rows };
}

document.querySelectorAll(".map:not([data-zoom]) svg").forEach((svg) => {
  const map = blockOf(svg);
  hoverGrid(svg, (row, column) => cellTexts(map, row, column));
});

document.querySelectorAll(".strip .token").forEach((token) => {
  const strip = blockOf(token);
  const i = Number(token.dataset.index);
  const rows = [{ name: "index", value: String(i) }];
  if (strip.values.length) rows.unshift({ name: strip.value_label || "value", value: number(strip.values[i]) });
  if (strip.details.length) rows.push({ value: visible(strip.details[i]) });
  token.addEventListener("pointermove", (event) =>
    showTip(event.clientX, event.clientY, visible(strip.tokens[i]), rows));
  token.addEventListener("pointerleave", hideTip);
});
