// A canvas that zooms: sharp on every screen, in the page's colours, drawn anew when its size, the
// colours or the window change.
class CanvasFigure {
  // height: in CSS pixels; most(area), areaOf(size) as for PanZoom; draw(context, area, window).
  constructor(place, { label, height, most, areaOf, draw }) {
    Object.assign(this, { height, areaOf, drawInto: draw, mostOf: most });
    this.box = element("div", "canvas");
    this.canvas = this.box.appendChild(element("canvas"));
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.canvas.style.height = height + "px";
    place.replaceWith(this.box);
    this.view = new PanZoom(this.canvas, { most: { x: 1, y: 1 }, area: () => this.area, change: () => this.redraw() });
    this.addTools();
  }

  // Draws at once, and whenever something changes.
  start() {
    this.resize();
    this.draw();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    matchMedia("print").addEventListener("change", () => this.draw());
  }

  addTools() {
    const tools = this.box.appendChild(element("div", "tools"));
    this.tools = tools;
    const tool = (text, name, act) => {
      const made = tools.appendChild(button("", text, act));
      made.setAttribute("aria-label", name);
      made.title = name;
      return made;
    };
    tool("+", "Enlarge (key +)", () => this.view.zoom(1.6));
    tool("\u2212", "Reduce (key \u2212)", () => this.view.zoom(1 / 1.6));
    this.whole = tool("All", "Show all (key 0)", () => this.view.reset());
    tools.append(element("span", "hint", "drag to move; the wheel enlarges after a click, or with Ctrl"));
  }

  resize() {
    const width = this.canvas.clientWidth;
    if (width === 0 || width === this.size?.width) return;
    this.size = { width, height: this.height };
    this.area = this.areaOf(this.size);
    this.view.most = this.mostOf(this.area);
    this.view.set(this.view.window);
  }

  // Once a frame at most.
  redraw() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => { this.waits = false; this.draw(); });
  }

  draw() {
    if (!this.size) return;
    const dots = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.size.width * dots);
    this.canvas.height = Math.round(this.size.height * dots);
    const context = this.canvas.getContext("2d");
    context.scale(dots, dots);
    const style = getComputedStyle(document.documentElement);
    this.colors = {};
    for (const name of ["paper", "ink", "quiet", "line", "faint"]) this.colors[name] = style.getPropertyValue("--" + name).trim();
    this.font = "11px " + style.getPropertyValue("--figure-font");
    this.labelFont = "12.5px " + style.getPropertyValue("--text-font");
    context.font = this.font;
    this.whole.disabled = this.view.isWhole;
    this.drawInto(context, this.area, this.view.window);
  }
}

function roundRange(low, high, most) {
  const least = (high - low) / most, power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9));
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + step * 1e-6; ++i) ticks.push(i * step);
  return { step, ticks };
}

// Numbers `step` apart, all with the same decimals.
function tickText(value, step) {
  const largest = Math.abs(value);
  if (largest >= 1e6 || (step < 1e-4 && largest < 1)) return value === 0 ? "0" : value.toExponential(1).replace("e+", "e");
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return (Math.abs(value) < step / 2 ? 0 : value).toFixed(decimals);
}

// Cut with an ellipsis to what `width` pixels hold of the figure font.
const characterWidth = 6.7;
function cut(text, width) {
  const most = Math.floor(width / characterWidth), characters = [...text];
  if (characters.length <= most) return text;
  return most < 1 ? "" : characters.slice(0, most - 1).join("") + "\u2026";
}
