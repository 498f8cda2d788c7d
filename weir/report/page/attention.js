// As pooled() in html_attention.cpp, with the place of each cell's largest weight.
function pooled(pattern, k) {
  const n = Math.ceil(pattern.length / k);
  const cells = Array.from({ length: n }, () => Array.from({ length: n }, () => ({ value: null })));
  pattern.forEach((row, query) => row.forEach((value, key) => {
    const cell = cells[Math.floor(query / k)][Math.floor(key / k)];
    const isLarger = value !== null && (cell.value === null || Math.abs(value) > Math.abs(cell.value));
    if (isLarger || cell.query === undefined) Object.assign(cell, { value, query, key });
  }));
  return cells;
}

class AttentionView {
  constructor(figure) {
    this.figure = figure;
    this.block = blockOf(figure);
    this.svg = figure.querySelector(".large svg");
    this.colorOf = scaleOf(figure);
    this.pool = Number(this.svg.dataset.pool);
    this.looksBack = true;
    this.pinned = this.block.tokens.length - 1;
    this.addDirection();
    this.chooseHead(0);
    figure.querySelectorAll(".heads button").forEach((button) =>
      button.addEventListener("click", () => this.chooseHead(Number(button.dataset.head))));
    figure.querySelectorAll(".token").forEach((token) => this.addToken(token));
    hoverGrid(this.svg, (row, column) => this.describe(row, column), (row, column) =>
      this.shadeTokens(row === null ? this.pinned
                                    : this.looksBack ? this.cells[row][column].query : this.cells[row][column].key));
  }

  addDirection() {
    const line = element("p", "direction");
    const button = line.appendChild(element("button"));
    button.type = "button";
    this.directionButton = button;
    button.addEventListener("click", () => {
      this.looksBack = !this.looksBack;
      this.shadeTokens(this.pinned);
    });
    line.append(" click to reverse; point at a token to look at another, click it to stay there");
    this.figure.querySelector(".tokens").before(line);
  }

  addToken(token) {
    const i = Number(token.dataset.index);
    token.tabIndex = 0;
    token.addEventListener("pointerenter", () => this.shadeTokens(i));
    token.addEventListener("focus", () => this.shadeTokens(i));
    token.addEventListener("pointerleave", () => this.shadeTokens(this.pinned));
    token.addEventListener("click", () => { this.pinned = i; this.shadeTokens(i); });
  }

  chooseHead(head) {
    this.pattern = this.block.patterns[head];
    this.cells = pooled(this.pattern, this.pool);
    this.figure.querySelectorAll(".heads button").forEach((button) =>
      button.setAttribute("aria-pressed", String(Number(button.dataset.head) === head)));
    this.figure.querySelector(".chosen").firstChild.textContent = visible(this.block.heads[head]);
    this.drawCells();
    this.shadeTokens(this.pinned);
  }

  drawCells() {
    const grid = numbersOf(this.svg, ["left", "top", "cellWidth", "cellHeight"]);
    const gap = Math.min(grid.cellWidth, grid.cellHeight) >= 16 ? 1 : 0;
    const paths = new Map();
    this.cells.forEach((row, query) => row.forEach((cell, key) => {
      if (cell.value === null) return;
      const color = this.colorOf(cell.value)[0];
      const x = grid.left + key * grid.cellWidth, y = grid.top + query * grid.cellHeight;
      const width = grid.cellWidth - gap, height = grid.cellHeight - gap;
      paths.set(color, (paths.get(color) ?? "") + `M${x} ${y}h${width}v${height}h${-width}z`);
    }));
    const group = this.svg.querySelector(".cells");
    group.replaceChildren();
    for (const [fill, d] of paths) {
      const path = document.createElementNS(this.svg.namespaceURI, "path");
      path.setAttribute("fill", fill);
      path.setAttribute("d", d);
      group.append(path);
    }
  }

  // Shades every token by the weight between it and the token `chosen`.
  shadeTokens(chosen) {
    const name = `${visible(this.block.tokens[chosen])} (${chosen})`;
    this.directionButton.textContent = this.looksBack ? `what ${name} attends to` : `what attends to ${name}`;
    this.figure.querySelectorAll(".token").forEach((token) => {
      const i = Number(token.dataset.index);
      const weight = this.looksBack ? this.pattern[chosen][i] : this.pattern[i][chosen];
      const [background, ink] = this.colorOf(weight) ?? ["", ""];
      token.style.background = background;
      token.style.color = ink;
      token.classList.toggle("is-chosen", i === chosen);
      token.title = number(weight);
    });
  }

  describe(row, column) {
    const cell = this.cells[row][column];
    const name = (i) => `${visible(this.block.tokens[i])}  (${i})`;
    return { head: number(cell.value), rows: [{ name: "query", value: name(cell.query) }, { name: "key", value: name(cell.key) }] };
  }
}

document.querySelectorAll("figure.attention").forEach((figure) => new AttentionView(figure));
