// Tables sort by a click on a column's name: by number where all cells have one, else by text.
function sortTable(table, column, isAscending) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const key = (row) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent;
  };
  const isNumeric = rows.every((row) => row.cells[column].classList.contains("number"));
  const order = isNumeric
    ? (a, b) => {
        const u = Number(key(a)), v = Number(key(b));
        if (Number.isNaN(u) || Number.isNaN(v)) return Number.isNaN(u) - Number.isNaN(v);
        return isAscending ? u - v : v - u;
      }
    : (a, b) => (isAscending ? 1 : -1) * key(a).localeCompare(key(b), undefined, { numeric: true });
  body.append(...rows.sort(order));
}

document.querySelectorAll("table:not(.site-list)").forEach((table) => {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.replaceChildren(button("", heading.textContent, () => {
      const isAscending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
      sortTable(table, column, isAscending);
    }));
  });
});

document.querySelectorAll("section > .scroll.long").forEach((scroll) => {
  const field = element("input", "filter");
  field.type = "search";
  field.placeholder = "Filter rows";
  field.setAttribute("aria-label", "Filter rows");
  scroll.before(field);
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of scroll.querySelector("tbody").rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });
});
