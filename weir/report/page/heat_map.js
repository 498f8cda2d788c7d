// Maps with more cells than the page can label: the same drawing on a canvas that zooms.
class HeatMapView {
  constructor(figure) {
    this.figure = figure;
    this.map = blockOf(figure);
    this.rows = this.map.values.length;
    this.columns = this.map.values[0].length;
    this.colorOf = scaleOf(figure);
    this.decimals = this.decimalsOf();
    this.labels = {
      y: this.labelsOf(this.map.y_ticks, this.rows, (i) => this.mapRow(i)),
      x: this.labelsOf(this.map.x_ticks, this.columns, (i) => i),
    };
    this.bitmap = this.bitmapOf();
    this.figureCanvas = new CanvasFigure(figure.querySelector(".scroll"), {
      label: figure.querySelector("svg").getAttribute("aria-label") + "; arrow keys move from cell to cell",
      height: Math.min(720, Math.max(160, this.rows * 20)) + this.bottom + 26,
      most: (area) => this.most(area),
      areaOf: (size) => ({ left: this.left, top: 24, width: size.width - this.left - 10, height: size.height - 24 - this.bottom }),
      draw: (context, area, window) => this.draw(context, area, window),
    });
    this.canvas = this.figureCanvas.canvas;
    this.figureCanvas.start();
    this.follow();
  }

  mapRow(drawn) { return this.map.y_up ? this.rows - 1 - drawn : drawn; }

  labelsOf(ticks, count, place) {
    return Array.from({ length: count }, (_, i) => (ticks.length ? visible(ticks[place(i)]) : String(place(i))));
  }

  widest(labels) { return Math.min(20, labels.reduce((most, label) => Math.max(most, [...label].length), 0)) * characterWidth; }
  get left() { return this.widest(this.labels.y) + 14; }
  get bottom() { return 0.82 * this.widest(this.labels.x) + (this.map.x_label ? 44 : 24); }

  // Common to all cells, so that numbers of a column compare at a glance: three digits of the largest.
  decimalsOf() {
    let largest = 0;
    for (const row of this.map.values) for (const value of row) largest = Math.max(largest, Math.abs(value ?? 0));
    return largest > 0 ? Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(largest)))) : 0;
  }

  textOf(row, column) {
    const at = this.mapRow(row), value = this.map.values[at][column];
    if (this.map.cell_text.length) return visible(this.map.cell_text[at][column]);
    return value === null ? "" : value.toFixed(this.decimals);
  }

  // As large as the text of a cell needs it.
  most(area) {
    const sample = [];
    for (let i = 0; i < 200; ++i) sample.push(this.textOf((i * 7919) % this.rows, (i * 104729) % this.columns));
    const wanted = Math.min(150, Math.max(48, this.widest(sample) + 12));
    return { x: Math.max(1, wanted * this.columns / area.width), y: Math.max(1, 22 * this.rows / area.height) };
  }

  // A pixel a cell.
  bitmapOf() {
    const bitmap = element("canvas");
    bitmap.width = this.columns;
    bitmap.height = this.rows;
    const context = bitmap.getContext("2d"), pixels = context.createImageData(this.columns, this.rows);
    for (let row = 0; row < this.rows; ++row) {
      this.map.values[this.mapRow(row)].forEach((value, column) => {
        const color = this.colorOf(value);
        if (!color) return;
        const code = parseInt(color[0].slice(1), 16);
        pixels.data.set([code >> 16, code >> 8 & 255, code & 255, 255], 4 * (row * this.columns + column));
      });
    }
    context.putImageData(pixels, 0, 0);
    return bitmap;
  }

  // The cells in sight, and where one lies on the canvas.
  cells(area, window) {
    const width = area.width / (this.columns * window.width), height = area.height / (this.rows * window.height);
    const x = (column) => area.left + (column - window.x * this.columns) * width;
    const y = (row) => area.top + (row - window.y * this.rows) * height;
    return {
      width, height, x, y,
      first: { row: Math.floor(window.y * this.rows), column: Math.floor(window.x * this.columns) },
      last: { row: Math.min(this.rows, Math.ceil((window.y + window.height) * this.rows - 1e-9)),
              column: Math.min(this.columns, Math.ceil((window.x + window.width) * this.columns - 1e-9)) },
    };
  }

  draw(context, area, window) {
    const cells = this.cells(area, window), colors = this.figureCanvas.colors;
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.width, area.height);
    context.clip();
    context.fillStyle = colors.faint;
    context.fillRect(area.left, area.top, area.width, area.height);
    context.imageSmoothingEnabled = cells.width < 1 || cells.height < 1;
    context.drawImage(this.bitmap, window.x * this.columns, window.y * this.rows, window.width * this.columns,
                      window.height * this.rows, area.left, area.top, area.width, area.height);
    if (Math.min(cells.width, cells.height) >= 12) this.drawLines(context, area, cells, colors);
    if (cells.width >= 30 && cells.height >= 13) this.drawTexts(context, cells);
    if (this.cell) this.drawCursor(context, cells, colors);
    context.restore();
    this.drawLabels(context, area, cells, colors);
  }

  drawLines(context, area, cells, colors) {
    context.strokeStyle = colors.paper;
    context.beginPath();
    for (let row = cells.first.row; row <= cells.last.row; ++row) {
      context.moveTo(area.left, cells.y(row));
      context.lineTo(area.left + area.width, cells.y(row));
    }
    for (let column = cells.first.column; column <= cells.last.column; ++column) {
      context.moveTo(cells.x(column), area.top);
      context.lineTo(cells.x(column), area.top + area.height);
    }
    context.stroke();
  }

  drawTexts(context, cells) {
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = cells.first.row; row < cells.last.row; ++row) {
      for (let column = cells.first.column; column < cells.last.column; ++column) {
        const color = this.colorOf(this.map.values[this.mapRow(row)][column]);
        context.fillStyle = color ? color[1] : this.figureCanvas.colors.quiet;
        const whole = this.textOf(row, column), text = cut(whole, cells.width - 4);
        // A number cut short would be another number.
        if (text !== whole && !this.map.cell_text.length) continue;
        context.fillText(text, cells.x(column + 0.5), cells.y(row + 0.5));
      }
    }
  }

  drawCursor(context, cells, colors) {
    for (const [color, width] of [[colors.paper, 4], [colors.ink, 2]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.strokeRect(cells.x(this.cell.column), cells.y(this.cell.row), Math.max(3, cells.width), Math.max(3, cells.height));
    }
  }

  // Every label that has room; below they are turned when they are wider than a column.
  drawLabels(context, area, cells, colors) {
    context.fillStyle = colors.quiet;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const down = Math.max(1, Math.ceil(13 / cells.height));
    for (let row = cells.first.row; row < cells.last.row; ++row) {
      if (this.mapRow(row) % down !== 0) continue;
      const y = cells.y(row + 0.5);
      if (y < area.top || y > area.top + area.height) continue;
      context.fillText(cut(this.labels.y[row], this.left - 12), area.left - 6, y);
    }
    const isTurned = this.widest(this.labels.x) > cells.width - 4;
    const across = Math.max(1, Math.ceil((isTurned ? 14 : this.widest(this.labels.x) + 8) / cells.width));
    for (let column = Math.ceil(cells.first.column / across) * across; column < cells.last.column; column += across) {
      const x = cells.x(column + 0.5);
      if (x < area.left || x > area.left + area.width) continue;
      context.save();
      context.translate(x, area.top + area.height + 8);
      context.textAlign = isTurned ? "right" : "center";
      if (isTurned) context.rotate(-55 * Math.PI / 180);
      context.fillText(cut(this.labels.x[column], 20 * characterWidth), 0, isTurned ? 2 : 4);
      context.restore();
    }
    context.font = this.figureCanvas.labelFont;
    context.textAlign = "left";
    context.fillText(visible(this.map.y_label), 2, 11);
    context.textAlign = "center";
    if (this.map.x_label) context.fillText(visible(this.map.x_label), area.left + area.width / 2, area.top + area.height + this.bottom - 10);
    context.font = this.figureCanvas.font;
  }

  cellAt(event) {
    const at = this.figureCanvas.view.placeOf(event), window = this.figureCanvas.view.window;
    if (at.x < 0 || at.y < 0 || at.x >= 1 || at.y >= 1) return null;
    return { row: Math.min(this.rows - 1, Math.floor((window.y + at.y * window.height) * this.rows)),
             column: Math.min(this.columns - 1, Math.floor((window.x + at.x * window.width) * this.columns)) };
  }

  point(cell, x, y) {
    this.cell = cell;
    this.figureCanvas.redraw();
    if (!cell) return hideTip();
    const text = cellTexts(this.map, cell.row, cell.column);
    showTip(x, y, text.head, text.rows);
  }

  // The pointer, and the arrow keys from cell to cell.
  follow() {
    this.canvas.addEventListener("pointermove", (event) => this.point(this.cellAt(event), event.clientX, event.clientY));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const old = this.cell ?? { row: 0, column: 0 };
      const move = this.cell ? step : [0, 0];
      const cell = { row: Math.min(this.rows - 1, Math.max(0, old.row + move[0])),
                     column: Math.min(this.columns - 1, Math.max(0, old.column + move[1])) };
      this.figureCanvas.view.show(cell.column / this.columns, cell.row / this.rows, 1 / this.columns, 1 / this.rows);
      const cells = this.cells(this.figureCanvas.area, this.figureCanvas.view.window), box = this.canvas.getBoundingClientRect();
      this.point(cell, box.left + cells.x(cell.column + 1), box.top + cells.y(cell.row + 1));
    }, true);
  }
}

document.querySelectorAll(".map[data-zoom]").forEach((figure) => whenSeen(figure, () => new HeatMapView(figure)));
