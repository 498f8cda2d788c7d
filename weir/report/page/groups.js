// Groups: members as tabs, links that lead into what is closed, and a list of contents that stays
// usable when it is long.
function reveal(node) {
  const own = node.querySelector(":scope > details.group");
  if (own) own.open = true;
  for (let at = node; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
    if (at.chooseTab) at.chooseTab();
  }
}

// Where "page.html#Title" leads: the anchor as anchor_of() in links.cpp makes it.
function anchorOf(title) {
  let name = "";
  const codes = [...title], size = (text) => new TextEncoder().encode(text).length;
  for (let i = 0; i < codes.length && size(name + codes[i]) <= 60; ++i) {
    const c = codes[i].codePointAt(0);
    const beside = (j) => (codes[j] ?? "\0").codePointAt(0);
    const isLetter = c < 0x80 ? /[a-z0-9]/i.test(codes[i]) : c !== 0xfffd && !isHidden(beside(i - 1), c, beside(i + 1));
    if (isLetter) name += c < 0x80 ? codes[i].toLowerCase() : codes[i];
    else if (name && !name.endsWith("-")) name += "-";
  }
  return "block-" + name.replace(/-$/, "");
}

function openTarget(target) {
  const [path, title] = target.includes("#") ? [target.slice(0, target.indexOf("#")), target.slice(target.indexOf("#") + 1)] : [target, null];
  const anchor = title === null ? "" : "#" + encodeURIComponent(anchorOf(title));
  location.href = path.split("/").map(encodeURIComponent).join("/") + anchor;
}

function makeTabs(members) {
  const sections = [...members.children].filter((child) => child.matches("section"));
  if (sections.length < 2) return;
  const list = element("div", "tabs");
  list.setAttribute("role", "tablist");
  const tabs = sections.map((section, i) => {
    const heading = section.querySelector(":scope > h2, :scope > h3, :scope > h4, :scope > h5, :scope > h6, :scope > details > summary");
    const tab = list.appendChild(button("", heading ? heading.textContent : String(i + 1), () => choose(i)));
    tab.id = "tab-" + section.id;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", section.id);
    section.setAttribute("role", "tabpanel");
    section.setAttribute("aria-labelledby", tab.id);
    section.chooseTab = () => choose(i);
    return tab;
  });
  function choose(chosen) {
    sections.forEach((section, i) => {
      section.hidden = i !== chosen;
      tabs[i].setAttribute("aria-selected", String(i === chosen));
      tabs[i].tabIndex = i === chosen ? 0 : -1;
    });
  }
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  });
  members.prepend(list);
  choose(0);
}
document.querySelectorAll(".members.tabbed").forEach(makeTabs);

function goToHash() {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch { return; }
  const node = id && document.getElementById(id);
  if (!node) return;
  reveal(node);
  node.scrollIntoView();
}
addEventListener("hashchange", goToHash);
goToHash();

// From some dozen entries on: a field that narrows the list, and buttons for all groups at once.
document.querySelectorAll("nav.contents").forEach((contents) => {
  const entries = [...contents.querySelectorAll("li")], groups = [...document.querySelectorAll("details.group")];
  const tools = element("div", "contents-tools");
  if (entries.length >= 12) {
    contents.classList.add("long");
    const field = element("input", "filter");
    field.type = "search";
    field.placeholder = `Find among ${entries.length} blocks`;
    field.setAttribute("aria-label", "Find a block by its title");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const entry of entries) entry.hidden = !words.every((word) => entry.textContent.toLowerCase().includes(word));
    });
    field.addEventListener("keydown", (event) => {
      const first = entries.find((entry) => !entry.hidden && !entry.querySelector("li:not([hidden])"))?.querySelector("a");
      if (event.key === "Enter" && first) first.click();
    });
    tools.append(field);
    const up = document.body.appendChild(element("a", "to-contents", "\u2191 contents"));
    up.href = "#contents";
    contents.id = "contents";
  }
  if (groups.length > 1) {
    tools.append(button("", "Open all", () => groups.forEach((group) => { group.open = true; })),
                 button("", "Close all", () => groups.forEach((group) => { group.open = false; })));
  }
  if (tools.childNodes.length) contents.prepend(tools);
});
// A click on an entry whose hash is already there must still lead there.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#']");
  if (link && link.hash === location.hash) goToHash();
});
