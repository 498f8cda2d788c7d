// Node-link graphs: a node or an edge under the pointer, or a focused node, stands out with what it
// is joined to; a slider hides light edges.
class GraphView {
  constructor(figure) {
    this.figure = figure;
    this.graph = blockOf(figure);
    this.edges = [...figure.querySelectorAll("svg .edge[data-edge]")];
    this.nodes = [...figure.querySelectorAll(".node")];
    this.nodes.forEach((node, i) => {
      node.addEventListener("pointermove", (event) => this.standOut(i, event.clientX, event.clientY));
      node.addEventListener("pointerleave", () => this.clear());
      node.addEventListener("focus", () => {
        const box = node.getBoundingClientRect();
        this.standOut(i, box.right, box.bottom);
      });
      node.addEventListener("blur", () => this.clear());
    });
    this.edges.forEach((edge, i) => {
      edge.addEventListener("pointermove", (event) => this.standOutEdge(i, event.clientX, event.clientY));
      edge.addEventListener("pointerleave", () => this.clear());
    });
    if (this.edges.length > 1) this.addSlider();
  }

  name(i) { return visible(this.graph.nodes[i].label); }

  standOut(chosen, x, y) {
    const joined = new Set([chosen]);
    this.graph.edges.forEach((edge, i) => {
      const isJoined = edge.from === chosen || edge.to === chosen;
      this.edges[i].classList.toggle("is-chosen", isJoined);
      if (isJoined && !this.edges[i].classList.contains("is-off")) { joined.add(edge.from); joined.add(edge.to); }
    });
    this.mark(joined);
    const node = this.graph.nodes[chosen];
    const tick = (ticks, place) => (ticks[place] === undefined ? String(place) : visible(ticks[place]));
    const rows = [{ name: this.graph.y_label || "layer", value: tick(this.graph.y_ticks, node.layer) },
                  { name: this.graph.x_label || "position", value: tick(this.graph.x_ticks, node.position) }];
    if (node.value !== null) rows.unshift({ name: this.graph.value_label || "value", value: number(node.value) });
    const heaviest = this.graph.edges.filter((edge) => edge.from === chosen || edge.to === chosen)
      .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
    for (const edge of heaviest.slice(0, 6)) {
      const isOut = edge.from === chosen;
      rows.push({ name: (isOut ? "to " : "from ") + this.name(isOut ? edge.to : edge.from), value: number(edge.weight) });
    }
    if (heaviest.length > 6) rows.push({ name: `and ${heaviest.length - 6} more`, value: "" });
    showTip(x, y, this.name(chosen), rows);
  }

  standOutEdge(chosen, x, y) {
    const edge = this.graph.edges[chosen];
    this.edges.forEach((other, i) => other.classList.toggle("is-chosen", i === chosen));
    this.mark(new Set([edge.from, edge.to]));
    showTip(x, y, `${this.name(edge.from)} \u2192 ${this.name(edge.to)}`, [{ name: this.graph.weight_label || "weight", value: number(edge.weight) }]);
  }

  mark(joined) {
    this.figure.classList.add("has-choice");
    this.nodes.forEach((node, i) => node.classList.toggle("is-chosen", joined.has(i)));
  }

  clear() {
    this.figure.classList.remove("has-choice");
    hideTip();
  }

  // Goes by rank, so that every step hides about as many edges.
  addSlider() {
    const sizes = this.graph.edges.map((edge) => Math.abs(edge.weight)).sort((a, b) => a - b);
    const line = element("label", "threshold", "Edges from ");
    const slider = element("input");
    Object.assign(slider, { type: "range", min: 0, max: sizes.length - 1, value: 0 });
    const shown = element("output");
    line.append(slider, shown);
    this.figure.querySelector(".scroll").before(line);
    const update = () => {
      const least = sizes[slider.value];
      let count = 0;
      this.graph.edges.forEach((edge, i) => {
        const isOff = Math.abs(edge.weight) < least;
        this.edges[i].classList.toggle("is-off", isOff);
        count += !isOff;
      });
      shown.textContent = `${number(least)} on (${count} of ${sizes.length})`;
    };
    slider.addEventListener("input", update);
    update();
  }
}

document.querySelectorAll("figure.graph").forEach((figure) => new GraphView(figure));
