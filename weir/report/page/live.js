// The page of a run that goes on: loads itself again until a last version comes without
// data-refresh, and stays where the reader is.
const liveKey = "weir-live:" + location.pathname;
const allDetails = () => [...document.querySelectorAll("details")];
const allTabs = () => [...document.querySelectorAll("[role=tab]")];
// By the block they stand in: the version before may have had fewer.
const liveName = (details) => {
  const block = details.closest("section");
  return block ? `${block.id} ${[...block.querySelectorAll("details")].indexOf(details)}` : details.className;
};

// What the version before left; only after a refresh of its own: who opens the page anew starts at
// its top.
function takeLiveState() {
  const before = stored(liveKey);
  if (!before) return null;
  store(liveKey, null);
  allDetails().forEach((one) => { one.open = before.open[liveName(one)] ?? one.open; });
  allTabs().forEach((one) => { if (before.tabs.includes(one.id)) one.click(); });
  history.scrollRestoration = "manual";
  const back = () => scrollTo(0, before.scroll);
  back();
  addEventListener("load", () => { back(); history.scrollRestoration = "auto"; });
  return before;
}

function keepLoading(before) {
  const seconds = Number(document.body.dataset.refresh);
  // The file's time: when it stays the same for long, the run has probably stopped.
  const modified = Date.parse(document.lastModified);
  const unchanged = before && before.modified === modified ? before.unchanged + 1 : 0;
  const wait = seconds * (unchanged < 10 ? 1 : Math.min(20, unchanged / 5));
  const line = element("p", "live");
  line.setAttribute("role", "status");
  const text = line.appendChild(element("span", "", unchanged < 10
    ? `The run goes on; this page loads itself again every ${seconds} s.`
    : `No new version since ${new Date(modified).toLocaleTimeString()}; the run may have stopped.`));
  let isPaused = false, isBusy = false;
  const pause = line.appendChild(button("", "Pause", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    text.classList.toggle("paused", isPaused);
  }));
  document.querySelector("header").append(line);
  // Not under the reader's hands: while a button is pressed, text is typed or the page is not seen.
  addEventListener("pointerdown", () => { isBusy = true; });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { isBusy = false; });
  const isTyping = () => document.activeElement instanceof HTMLInputElement && document.activeElement.value !== "";
  setInterval(() => {
    if (isPaused || isBusy || document.hidden || isTyping()) return;
    store(liveKey, { scroll: scrollY, modified, unchanged,
                     open: Object.fromEntries(allDetails().map((one) => [liveName(one), one.open])),
                     tabs: allTabs().filter((one) => one.getAttribute("aria-selected") === "true").map((one) => one.id) });
    location.reload();
  }, wait * 1000);
}

const liveBefore = takeLiveState();
if (document.body.dataset.refresh) keepLoading(liveBefore);
