// The list of a site's pages: its pieces are scripts, since a page opened from a disk may load
// nothing else; the first comes at once, all of them with the first search or sorting.
class SiteList {
  constructor(section) {
    Object.assign(this, numbersOf(section, ["pages", "piece"]));
    this.section = section;
    this.table = section.querySelector("table");
    this.entries = new Array(this.pages);
    this.pieces = [];
    this.order = null;  // Indices that are shown; null: all as they come.
    this.start = 0;
    this.perView = 100;
    this.sorting = null;
    window.sitePiece = (index, list) => list.forEach((entry, i) => { this.entries[index * this.piece + i] = entry; });
    this.addTools();
    this.addSorting();
    // Back from a page, the list is as it was left.
    const before = stored(this.key);
    if (before) this.restore(before);
    else this.show();
  }

  get key() { return "weir-site:" + location.pathname; }

  load(index) {
    this.pieces[index] ??= new Promise((done) => {
      const script = element("script");
      script.src = `list/${String(index).padStart(3, "0")}.js`;
      script.onload = done;
      script.onerror = () => { this.note(`list/${String(index).padStart(3, "0")}.js cannot be loaded`); done(); };
      document.head.append(script);
    });
    return this.pieces[index];
  }
  loadAll() { return Promise.all(Array.from({ length: Math.ceil(this.pages / this.piece) }, (_, i) => this.load(i))); }

  note(text) { this.status.textContent = text; }

  addTools() {
    const tools = element("div", "site-tools");
    this.field = tools.appendChild(element("input", "filter"));
    this.field.type = "search";
    this.field.placeholder = `Search ${this.pages} pages`;
    this.field.setAttribute("aria-label", "Search the pages: words, or the number of a page");
    let timer;
    this.field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => this.update(), 120); });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.update().then(() => this.table.tBodies[0].querySelector("a")?.click());
    });
    this.before = tools.appendChild(button("", "\u2190", () => this.turn(-1)));
    this.before.setAttribute("aria-label", "The hundred before");
    this.after = tools.appendChild(button("", "\u2192", () => this.turn(1)));
    this.after.setAttribute("aria-label", "The next hundred");
    this.status = tools.appendChild(element("span", "hint"));
    this.status.setAttribute("role", "status");
    this.section.prepend(tools);
  }

  addSorting() {
    this.headings = [...this.table.tHead.rows[0].cells];
    this.headings.forEach((heading, column) => heading.replaceChildren(button("", heading.textContent, () => {
      const isAscending = heading.getAttribute("aria-sort") !== "ascending";
      this.sorting = { column, isAscending };
      this.update();
    })));
  }

  get count() { return this.order ? this.order.length : this.pages; }

  turn(direction) {
    this.start = Math.min(Math.max(0, this.start + direction * this.perView), Math.max(0, this.count - 1));
    this.show();
    this.section.scrollIntoView();
  }

  // A word is found anywhere in the title and the texts; a number is also that of a page.
  matches(i, words) {
    const text = this.entries[i].filter((part) => typeof part === "string").join("\n").toLowerCase();
    return words.every((word) => text.includes(word) || word === String(i));
  }

  async update(start = 0) {
    const words = this.field.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.order = null;
    if (words.length || this.sorting) {
      this.note("loading the list\u2026");
      await this.loadAll();
      this.order = this.entries.map((_, i) => i).filter((i) => this.entries[i] && this.matches(i, words));
      if (this.sorting) this.sort();
    }
    this.start = Math.min(start, Math.max(0, this.count - 1));
    await this.show();
  }

  // Column 0 is the page's number, the others as in an entry.
  sort() {
    const { column, isAscending } = this.sorting, sign = isAscending ? 1 : -1;
    const key = (i) => (column === 0 ? i : this.entries[i][column - 1]);
    this.headings.forEach((heading, i) => {
      if (i === column) heading.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
      else heading.removeAttribute("aria-sort");
    });
    const collator = new Intl.Collator(undefined, { numeric: true });
    this.order.sort((a, b) => {
      const u = key(a), v = key(b);
      if (u === null || v === null) return (u === null) - (v === null) || a - b;
      const order = typeof u === "number" && typeof v === "number" ? u - v : collator.compare(u, v);
      return sign * order || a - b;
    });
  }

  async show() {
    const end = Math.min(this.count, this.start + this.perView);
    if (!this.order) for (let i = Math.floor(this.start / this.piece); i * this.piece < end; ++i) await this.load(i);
    const rows = [];
    for (let at = this.start; at < end; ++at) {
      const i = this.order ? this.order[at] : at;
      if (this.entries[i]) rows.push(this.row(i));
    }
    this.table.tBodies[0].replaceChildren(...rows);
    this.before.disabled = this.start === 0;
    this.after.disabled = end >= this.count;
    this.note(this.count === 0 ? "no page has these words" : `${this.start + 1} to ${end} of ${this.count}`);
    store(this.key, { words: this.field.value, sorting: this.sorting, start: this.start });
  }

  row(i) {
    const row = element("tr");
    row.append(element("td", "number", String(i)));
    const link = row.appendChild(element("td")).appendChild(element("a", "", visible(this.entries[i][0]) || `page ${i}`));
    link.href = `pages/${String(i).padStart(6, "0")}.html`;
    for (const value of this.entries[i].slice(1)) {
      const isNumber = typeof value === "number";
      row.append(element("td", isNumber ? "number" : "", value === null ? "" : isNumber ? number(value) : visible(value)));
    }
    return row;
  }

  restore(before) {
    this.field.value = before.words;
    this.sorting = before.sorting;
    this.update(before.start);
  }
}

document.querySelectorAll("section.site").forEach((section) => new SiteList(section));
