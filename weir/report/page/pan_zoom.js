// Which part of a drawing is seen: a window in units of the whole, the origin at the top left. One
// for every canvas; what it shows is the figure's own matter.
class PanZoom {
  // most: how often each axis can be enlarged; area(): the drawing's place in the element, in CSS
  // pixels; change(): the window is another.
  constructor(node, { most, area, change }) {
    Object.assign(this, { node, most, area, change, pointers: new Map(), window: { x: 0, y: 0, width: 1, height: 1 } });
    node.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    node.addEventListener("pointerdown", (event) => this.onDown(event));
    node.addEventListener("pointermove", (event) => this.onMove(event));
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    node.addEventListener("dblclick", (event) => this.zoomAt(event.shiftKey ? 0.5 : 2, event));
    node.addEventListener("keydown", (event) => this.onKey(event));
  }

  get isWhole() { return this.window.width > 0.9999 && this.window.height > 0.9999; }

  set(window) {
    const width = Math.min(1, Math.max(1 / this.most.x, window.width));
    const height = Math.min(1, Math.max(1 / this.most.y, window.height));
    const x = Math.min(1 - width, Math.max(0, window.x)), y = Math.min(1 - height, Math.max(0, window.y));
    this.window = { x, y, width, height };
    // While all is seen, a finger on the drawing scrolls the page.
    this.node.style.touchAction = this.isWhole ? "pan-x pan-y" : "none";
    this.change();
  }

  reset() { this.set({ x: 0, y: 0, width: 1, height: 1 }); }

  // Enlarges about a point of the window (0 to 1), which stays where it is.
  zoom(factor, atX = 0.5, atY = 0.5) {
    const old = this.window;
    const width = Math.min(1, Math.max(1 / this.most.x, old.width / factor));
    const height = Math.min(1, Math.max(1 / this.most.y, old.height / factor));
    this.set({ x: old.x + (old.width - width) * atX, y: old.y + (old.height - height) * atY, width, height });
  }

  // By parts of the window.
  pan(x, y) { this.set({ ...this.window, x: this.window.x + x * this.window.width, y: this.window.y + y * this.window.height }); }

  // Moves the window so that a rectangle of the whole is in it.
  show(x, y, width = 0, height = 0) {
    const seen = { ...this.window };
    seen.x = Math.min(x, Math.max(seen.x, x + width - seen.width));
    seen.y = Math.min(y, Math.max(seen.y, y + height - seen.height));
    this.set(seen);
  }

  // Of an event, in parts of the window.
  placeOf(event) {
    const box = this.node.getBoundingClientRect(), area = this.area();
    return { x: (event.clientX - box.left - area.left) / area.width, y: (event.clientY - box.top - area.top) / area.height };
  }

  zoomAt(factor, event) {
    const at = this.placeOf(event);
    this.zoom(factor, at.x, at.y);
  }

  // The wheel scrolls the page, unless the reader has turned to this drawing or holds Ctrl.
  onWheel(event) {
    const isMeant = event.ctrlKey || event.metaKey || document.activeElement === this.node;
    if (!isMeant) return;
    event.preventDefault();
    this.zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event);
  }

  onDown(event) {
    this.pointers.set(event.pointerId, event);
    this.hasMoved = false;
    this.start = event;
  }

  onMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (Math.hypot(event.clientX - this.start.clientX, event.clientY - this.start.clientY) > 4 && !this.hasMoved) {
      this.hasMoved = true;
      this.node.setPointerCapture(event.pointerId);
    }
    const area = this.area();
    const others = [...this.pointers.values()].filter((other) => other.pointerId !== event.pointerId);
    if (others.length === 1) {
      const spread = (one) => Math.hypot(one.clientX - others[0].clientX, one.clientY - others[0].clientY);
      if (spread(before) > 0) this.zoomAt(spread(event) / spread(before), others[0]);
    } else if (this.hasMoved) {
      this.pan((before.clientX - event.clientX) / area.width, (before.clientY - event.clientY) / area.height);
    }
    this.pointers.set(event.pointerId, event);
  }

  // Arrows are left to the figure when it has taken them.
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const step = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[event.key];
    if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (step && !this.isWhole) this.pan(...step);
    else return;
    event.preventDefault();
  }
}
