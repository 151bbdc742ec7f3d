// How wide the panel is: dragged, or by the arrow keys; kept on this device. Per cent of the page's width.

const SETTING = "tallystick.panel-width";
const LEAST = 22;
const MOST = 70;
const STEP = 2;
const USUAL = 34;

const place = () => document.getElementById("panel");
const grip = () => document.getElementById("grip");
const kept = () => Number(localStorage.getItem(SETTING)) || USUAL;

function show(wanted) {
  const width = Math.min(Math.max(wanted, LEAST), MOST);
  place().style.setProperty("--panel", `${width}%`);
  grip()?.setAttribute("aria-valuenow", String(Math.round(width)));
  return width;
}

const keep = (width) => localStorage.setItem(SETTING, String(show(width)));

function dragged(event) {
  if (event.target.id !== "grip" || event.button) return;
  const held = event.target;
  const split = place().parentElement.getBoundingClientRect();
  const move = (moved) => keep((100 * (split.right - moved.clientX)) / split.width);
  held.setPointerCapture(event.pointerId);
  held.classList.add("held");
  held.addEventListener("pointermove", move);
  held.addEventListener(
    "lostpointercapture",
    () => (held.removeEventListener("pointermove", move), held.classList.remove("held")),
    { once: true },
  );
  event.preventDefault();
  held.focus();
}

function pressed(event) {
  if (event.target.id !== "grip") return;
  const wanted = { ArrowLeft: kept() + STEP, ArrowRight: kept() - STEP, Home: LEAST, End: MOST }[event.key];
  if (wanted === undefined) return;
  event.preventDefault();
  keep(wanted);
}

export function startWidth() {
  if (!place()) return;
  show(kept());
  document.addEventListener("pointerdown", dragged);
  document.addEventListener("keydown", pressed);
  document.addEventListener("dblclick", (event) => event.target.id === "grip" && keep(USUAL));
  document.addEventListener("htmx:afterSwap", (event) => event.detail.target?.id === "panel" && show(kept()));
}
