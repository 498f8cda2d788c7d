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
