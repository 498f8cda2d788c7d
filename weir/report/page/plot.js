// The legend's names become switches of their series.
document.querySelectorAll(".series-legend").forEach((legend) => {
  const figure = legend.closest("figure");
  legend.querySelectorAll("li").forEach((item) => {
    const key = button("", "", () => set(key.getAttribute("aria-pressed") !== "true"));
    key.setAttribute("aria-pressed", "true");
    key.append(...item.childNodes);
    item.append(key);
    const series = item.dataset.series;
    const set = (isOn) => {
      key.setAttribute("aria-pressed", String(isOn));
      figure.querySelectorAll(`svg [data-series="${series}"]`).forEach((shape) =>
        shape.classList.toggle("is-off", !isOn));
      figure.dispatchEvent(new Event("serieschange"));
    };
    item.setSeries = set;
    // A double click shows this one alone, or all again.
    key.addEventListener("dblclick", () => {
      const others = [...legend.children].filter((other) => other !== item);
      const isAlone = others.every((other) =>
        other.firstElementChild.getAttribute("aria-pressed") === "false");
      others.forEach((other) => other.setSeries(isAlone));
      set(true);
    });
  });
});

function isOn(figure, series) {
  const button = figure.querySelector(`.series-legend [data-series="${series}"] button`);
  return !button || button.getAttribute("aria-pressed") === "true";
}

function colorOf(figure, series) {
  const key = figure.querySelector(`.series-legend [data-series="${series}"] .key`);
  return key ? key.style.background : "";
}

function plotOf(svg) {
  const plot = numbersOf(svg, ["left", "top", "width", "height", "xLow", "xHigh", "yLow", "yHigh", "logY"]);
  plot.x = (value) => plot.left + plot.width * (value - plot.xLow) / (plot.xHigh - plot.xLow);
  plot.y = (value) => {
    const part = plot.logY ? Math.log(value / plot.yLow) / Math.log(plot.yHigh / plot.yLow)
                           : (value - plot.yLow) / (plot.yHigh - plot.yLow);
    return plot.top + plot.height * (1 - part);
  };
  return plot;
}

function clearCursor(svg) {
  svg.querySelectorAll(".crosshair, .hit").forEach((old) => old.remove());
}

// Calls `hover` while the pointer is over the plot.
function onHover(svg, hover) {
  svg.addEventListener("pointermove", (event) => {
    clearCursor(svg);
    hover(pointIn(svg, event), event);
  });
  svg.addEventListener("pointerleave", () => { clearCursor(svg); hideTip(); });
}

function nearestIndex(values, distance) {
  let best = -1, least = Infinity;
  values.forEach((value, i) => {
    const away = distance(value, i);
    if (away < least) { least = away; best = i; }
  });
  return { index: best, distance: least };
}

document.querySelectorAll(".curves svg").forEach((svg) => {
  const figure = svg.closest("figure"), curves = blockOf(svg), plot = plotOf(svg);
  onHover(svg, (point, event) => {
    const near = nearestIndex(curves.x, (x) => (x === null ? Infinity : Math.abs(plot.x(x) - point.x)));
    if (near.index < 0) return;
    const x = plot.x(curves.x[near.index]);
    svgElement(svg, "path", { class: "crosshair", d: `M${x} ${plot.top}v${plot.height}` });
    const rows = [];
    curves.series.forEach((series, i) => {
      if (!isOn(figure, i)) return;
      const y = series.y[near.index];
      const band = series.lower.length ? `  ${number(series.lower[near.index])} \u2026 ${number(series.upper[near.index])}` : "";
      rows.push({ name: series.name, value: number(y) + band, color: colorOf(figure, i), y });
      const isDrawn = y !== null && !(plot.logY && y <= 0);
      if (isDrawn) svgElement(svg, "circle", { class: "hit", cx: x, cy: plot.y(y), r: 4, stroke: colorOf(figure, i) });
    });
    rows.sort((a, b) => (b.y ?? -Infinity) - (a.y ?? -Infinity));
    showTip(event.clientX, event.clientY, `${curves.x_label || "x"} ${number(curves.x[near.index])}`, rows);
  });
});

document.querySelectorAll(".histogram svg").forEach((svg) => {
  const histogram = blockOf(svg), plot = plotOf(svg);
  const total = histogram.counts.reduce((sum, count) => sum + count, 0);
  onHover(svg, (point, event) => {
    const value = plot.xLow + (point.x - plot.left) / plot.width * (plot.xHigh - plot.xLow);
    const i = histogram.counts.findIndex((_, bin) =>
      histogram.edges[bin] <= value && value < histogram.edges[bin + 1]);
    if (i < 0) return hideTip();
    const left = plot.x(histogram.edges[i]), right = plot.x(histogram.edges[i + 1]);
    svgElement(svg, "rect", { class: "cursor hit", "fill-opacity": 0, x: left, y: plot.y(histogram.counts[i]),
      width: right - left, height: plot.top + plot.height - plot.y(histogram.counts[i]) });
    showTip(event.clientX, event.clientY, `${number(histogram.edges[i])} \u2026 ${number(histogram.edges[i + 1])}`, [
      { name: "count", value: String(histogram.counts[i]) },
      { name: "share", value: number(100 * histogram.counts[i] / (total || 1)) + " %" },
    ]);
  });
});
