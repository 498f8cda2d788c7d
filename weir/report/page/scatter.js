// Points on a canvas: zoom, hovering, a search by label, groups as switches.
// The shapes of the groups, as in html_point_legend.
function drawPoint(context, shape, x, y, r) {
  context.beginPath();
  if (shape === 0) context.arc(x, y, r, 0, 7);
  else if (shape === 1) context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else {
    const corners = [null, null,
      [[0, -1.1], [1.1, 0.9], [-1.1, 0.9]], [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]], [[0, 1.1], [1.1, -0.9], [-1.1, -0.9]],
      [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
    ][shape];
    corners.forEach(([dx, dy]) => context.lineTo(x + r * dx, y + r * dy));
    context.closePath();
  }
  context.fill();
}

class ScatterView {
  constructor(figure) {
    this.figure = figure;
    this.block = blockOf(figure);
    this.ends = numbersOf(figure, ["xLow", "xHigh", "yLow", "yHigh", "left"]);
    this.colorOf = this.block.values.length ? scaleOf(figure) : null;
    this.groupColors = [...figure.querySelectorAll(".point-key")].map((key) => key.getAttribute("fill"));
    this.points = this.block.x.map((_, i) => i).filter((i) => this.block.x[i] !== null && this.block.y[i] !== null);
    this.found = [];
    const view = element("div");
    figure.querySelector("noscript").replaceWith(view);
    this.figureCanvas = new CanvasFigure(view, {
      label: `Scatter of ${this.points.length} points: ${this.block.y_label || "y"} over ${this.block.x_label || "x"}`,
      height: 480,
      most: () => ({ x: 2000, y: 2000 }),
      areaOf: (size) => ({ left: this.ends.left + 10, top: 26, width: size.width - this.ends.left - 26, height: size.height - 72 }),
      draw: (context, area, window) => this.draw(context, area, window),
    });
    this.canvas = this.figureCanvas.canvas;
    this.figureCanvas.start();
    figure.addEventListener("serieschange", () => this.figureCanvas.redraw());
    this.follow();
    if (this.block.labels.length) this.addSearch();
  }

  isShown(i) { return !this.block.groups.length || isOn(this.figure, this.block.groups[i]); }

  // Functions from values to pixels.
  scales(area, window) {
    const { xLow, xHigh, yLow, yHigh } = this.ends;
    return {
      x: (value) => area.left + ((value - xLow) / (xHigh - xLow) - window.x) / window.width * area.width,
      y: (value) => area.top + (1 - (value - yLow) / (yHigh - yLow) - window.y) / window.height * area.height,
    };
  }

  // Larger the fewer there are in sight.
  radius(window) {
    const seen = this.points.length * Math.max(1e-4, window.width * window.height);
    return Math.min(6, Math.max(1.6, 60 / Math.sqrt(seen)));
  }

  color(i) {
    if (this.colorOf) return (this.colorOf(this.block.values[i]) ?? ["#969696"])[0];
    return this.block.groups.length ? this.groupColors[this.block.groups[i]] : ramps.sequential[110][0];
  }

  draw(context, area, window) {
    const { x, y } = this.scales(area, window), r = this.radius(window);
    this.drawAxes(context, area, window);
    context.save();
    context.beginPath();
    context.rect(area.left - 5, area.top - 5, area.width + 10, area.height + 10);
    context.clip();
    context.globalAlpha = 0.78;
    context.strokeStyle = this.figureCanvas.colors.quiet;
    context.lineWidth = 0.7;
    if (this.colorOf && r < 2) this.drawHalos(context, x, y, r);
    const shown = this.block.group_names.map((_, group) => isOn(this.figure, group));
    for (const i of this.points) {
      const group = this.block.groups.length ? this.block.groups[i] : 0;
      if (this.block.groups.length && !shown[group]) continue;
      const px = x(this.block.x[i]), py = y(this.block.y[i]);
      if (px < area.left - 8 || px > area.left + area.width + 8 || py < area.top - 8 || py > area.top + area.height + 8) continue;
      context.fillStyle = this.color(i);
      // Shapes of a point or two cannot be told; squares are quicker.
      if (r < 2) context.fillRect(px - r, py - r, 2 * r, 2 * r);
      else drawPoint(context, group % 6, px, py, r);
      // The ends of a scale are as dark or as light as the paper.
      if (this.colorOf && r >= 2) context.stroke();
    }
    context.globalAlpha = 1;
    for (const i of this.found.slice(0, 2000)) this.ring(context, x(this.block.x[i]), y(this.block.y[i]), r + 3, 1.5);
    if (this.near !== undefined) this.ring(context, x(this.block.x[this.near]), y(this.block.y[this.near]), r + 4, 2.5);
    context.restore();
  }

  drawHalos(context, x, y, r) {
    context.fillStyle = this.figureCanvas.colors.quiet;
    for (const i of this.points) context.fillRect(x(this.block.x[i]) - r - 0.5, y(this.block.y[i]) - r - 0.5, 2 * r + 1, 2 * r + 1);
  }

  ring(context, x, y, r, width) {
    for (const [color, line] of [[this.figureCanvas.colors.paper, width + 2], [this.figureCanvas.colors.ink, width]]) {
      context.strokeStyle = color;
      context.lineWidth = line;
      context.beginPath();
      context.arc(x, y, r, 0, 7);
      context.stroke();
    }
  }

  drawAxes(context, area, window) {
    const colors = this.figureCanvas.colors, { x, y } = this.scales(area, window);
    const { xLow, xHigh, yLow, yHigh } = this.ends, bottom = area.top + area.height;
    const xs = roundRange(xLow + window.x * (xHigh - xLow), xLow + (window.x + window.width) * (xHigh - xLow), area.width / 90);
    const ys = roundRange(yHigh - (window.y + window.height) * (yHigh - yLow), yHigh - window.y * (yHigh - yLow), area.height / 45);
    context.lineWidth = 1;
    context.fillStyle = colors.quiet;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.strokeStyle = colors.line;
    for (const tick of ys.ticks) {
      context.strokeRect(area.left, Math.round(y(tick)) + 0.5, area.width, 0);
      context.fillText(tickText(tick, ys.step), area.left - 8, y(tick));
    }
    context.textAlign = "center";
    context.strokeStyle = colors.quiet;
    for (const tick of xs.ticks) {
      context.strokeRect(Math.round(x(tick)) + 0.5, bottom, 0, 5);
      context.fillText(tickText(tick, xs.step), x(tick), bottom + 15);
    }
    context.strokeRect(area.left, bottom + 0.5, area.width, 0);
    context.font = this.figureCanvas.labelFont;
    context.fillText(visible(this.block.x_label), area.left + area.width / 2, bottom + 34);
    context.textAlign = "left";
    context.fillText(visible(this.block.y_label), 2, 10);
    context.font = this.figureCanvas.font;
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect(), { x, y } = this.scales(this.figureCanvas.area, this.figureCanvas.view.window);
    let best, least = 20;
    for (const i of this.points) {
      if (!this.isShown(i)) continue;
      const away = Math.hypot(x(this.block.x[i]) - event.clientX + box.left, y(this.block.y[i]) - event.clientY + box.top);
      if (away < least) { least = away; best = i; }
    }
    return best;
  }

  point(i, x, y) {
    this.near = i;
    this.canvas.classList.toggle("leads", Boolean(i !== undefined && this.block.targets[i]));
    this.figureCanvas.redraw();
    if (i === undefined) return hideTip();
    const block = this.block;
    const rows = [{ name: block.x_label || "x", value: number(block.x[i]) }, { name: block.y_label || "y", value: number(block.y[i]) }];
    if (block.groups.length) rows.unshift({ name: visible(block.group_names[block.groups[i]]), value: "", color: this.color(i) });
    if (block.values.length) rows.push({ name: block.value_label || "value", value: number(block.values[i]), color: this.color(i) });
    if (block.targets[i]) rows.push({ name: "click to open", value: "" });
    showTip(x, y, block.labels.length ? visible(block.labels[i]) : "", rows);
  }

  open(i) { if (this.block.targets[i]) openTarget(this.block.targets[i]); }

  follow() {
    const view = this.figureCanvas.view;
    this.canvas.addEventListener("pointermove", (event) => {
      if (!view.pointers.size) this.point(this.nearest(event), event.clientX, event.clientY);
    });
    this.canvas.addEventListener("pointerleave", () => this.point(undefined));
    this.canvas.addEventListener("blur", () => this.point(undefined));
    this.canvas.addEventListener("click", (event) => {
      const i = this.nearest(event);
      if (!view.hasMoved && i !== undefined) this.open(i);
    });
  }

  // Rings what has the words in its label; Enter goes from one to the next, as the keyboard's way
  // to a point.
  addSearch() {
    const field = element("input", "find");
    field.type = "search";
    field.placeholder = "Find a label";
    field.setAttribute("aria-label", "Find points by their label");
    const count = element("span", "hint");
    count.setAttribute("role", "status");
    this.figureCanvas.tools.append(field, count);
    let next = 0;
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      this.found = wanted ? this.points.filter((i) => this.block.labels[i].toLowerCase().includes(wanted)) : [];
      next = 0;
      count.textContent = wanted ? `${this.found.length} found` : "";
      this.point(undefined);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !this.found.length) return;
      event.preventDefault();
      if (event.shiftKey && this.near !== undefined) return this.open(this.near);
      this.goTo(this.found[next++ % this.found.length]);
    });
    field.addEventListener("blur", () => this.point(undefined));
  }

  goTo(i) {
    const { xLow, xHigh, yLow, yHigh } = this.ends, view = this.figureCanvas.view, window = view.window;
    view.set({ ...window, x: (this.block.x[i] - xLow) / (xHigh - xLow) - window.width / 2,
               y: 1 - (this.block.y[i] - yLow) / (yHigh - yLow) - window.height / 2 });
    const box = this.canvas.getBoundingClientRect(), { x, y } = this.scales(this.figureCanvas.area, view.window);
    this.point(i, box.left + x(this.block.x[i]), box.top + y(this.block.y[i]));
  }
}

document.querySelectorAll(".scatter").forEach((figure) => whenSeen(figure, () => new ScatterView(figure)));
