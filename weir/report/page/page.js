const report = JSON.parse(document.getElementById("report-data").textContent);

// The block in which a node stands: places from 0 on, down through the groups.
function blockOf(node) {
  let at = report;
  for (const place of node.closest(".block").dataset.block.split(".")) at = at.blocks[place];
  return at;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(className, text, onClick) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

function svgElement(svg, name, attributes) {
  const made = document.createElementNS(svg.namespaceURI, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  return svg.appendChild(made);
}

// The numbers among an element's data- attributes.
function numbersOf(node, names) {
  const values = {};
  for (const name of names) values[name] = Number(node.dataset[name]);
  return values;
}

// Where the pointer is, in the drawing's own pixels.
function pointIn(svg, event) {
  const box = svg.getBoundingClientRect();
  const scale = svg.viewBox.baseVal.width / box.width;
  return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale, scale };
}

// The scale of a figure: value => [colour, colour of text on it]; null for what has none.
function scaleOf(figure) {
  const { low, high } = numbersOf(figure, ["low", "high"]), ramp = ramps[figure.dataset.ramp];
  return (value) => {
    if (value === null) return null;
    const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
    return ramp[Math.round(part * (ramp.length - 1))];
  };
}

// Calls `start` when the element first comes into sight, or is about to be printed: figures in closed
// groups cost nothing.
function whenSeen(node, start) {
  const begin = () => {
    watcher.disconnect();
    removeEventListener("beforeprint", begin);
    start();
  };
  const watcher = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) begin(); }, { rootMargin: "300px" });
  watcher.observe(node);
  addEventListener("beforeprint", begin);
}

// Storage may be forbidden, for pages opened from a disk too.
function stored(key) {
  try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
}
function store(key, value) {
  try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* Then it is forgotten. */ }
}
