"use strict";

const report = JSON.parse(document.getElementById("report-data").textContent);
const ramps = JSON.parse(document.getElementById("color-ramps").textContent);

// As visible() in display_text.cpp: what cannot be seen is shown as something.
function visible(text) {
  const hex = (c) => "<U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + ">";
  return text
    .replace(/^ +| +$/g, (spaces) => "\u2423".repeat(spaces.length))
    .replace(/\n/g, "\u21b5")
    .replace(/\t/g, "\u21e5")
    .replace(/[\u0000-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, hex);
}

function number(value) {
  if (value === null || value === undefined) return "no value";
  return String(Number(value.toPrecision(4)));
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function svgElement(svg, name, attributes) {
  const made = document.createElementNS(svg.namespaceURI, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  return svg.appendChild(made);
}

const tip = document.body.appendChild(element("div", "tip"));
tip.hidden = true;
tip.setAttribute("role", "status");

// rows: {name, value, color}, each field optional.
function showTip(x, y, head, rows) {
  tip.replaceChildren();
  if (head) tip.append(element("div", "head", head));
  for (const row of rows) {
    const line = tip.appendChild(element("div", "row"));
    if (row.color) line.appendChild(element("span", "key")).style.background = row.color;
    if (row.name) line.append(element("span", "name", row.name));
    line.append(element("span", "value", row.value));
  }
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const right = x + 14 + box.width < innerWidth ? x + 14 : x - 14 - box.width;
  const below = y + 14 + box.height < innerHeight ? y + 14 : y - 14 - box.height;
  tip.style.left = Math.max(4, right) + "px";
  tip.style.top = Math.max(4, below) + "px";
}

function hideTip() { tip.hidden = true; }
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", hideTip, { passive: true });

function blockOf(node) {
  return report.blocks[node.closest(".block").dataset.block];
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
