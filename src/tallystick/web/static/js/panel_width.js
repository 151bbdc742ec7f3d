// The width of the panel in per cent of the page: dragged, or set with the arrow keys; kept on this device.

const SETTING = "tallystick.panel-width";
const MIN = 22;
const MAX = 70;
const STEP = 2;
const DEFAULT = 34;

const panel = () => document.getElementById("panel");
const storedWidth = () => Number(localStorage.getItem(SETTING)) || DEFAULT;

// Returns the width within its limits.
function show(wanted) {
  const width = Math.min(Math.max(wanted, MIN), MAX);
  panel().style.setProperty("--panel", `${width}%`);
  document.getElementById("grip")?.setAttribute("aria-valuenow", String(Math.round(width)));
  return width;
}

function store(width) {
  localStorage.setItem(SETTING, String(show(width)));
}

function startDrag(event) {
  const grip = event.target;
  if (grip.id !== "grip" || event.button) return;
  const split = panel().parentElement.getBoundingClientRect();
  const move = ({ clientX }) => store((100 * (split.right - clientX)) / split.width);
  const end = () => {
    grip.removeEventListener("pointermove", move);
    grip.classList.remove("held");
  };
  grip.setPointerCapture(event.pointerId);
  grip.classList.add("held");
  grip.addEventListener("pointermove", move);
  grip.addEventListener("lostpointercapture", end, { once: true });
  event.preventDefault();
  grip.focus();
}

function onKey(event) {
  if (event.target.id !== "grip") return;
  const widths = { ArrowLeft: storedWidth() + STEP, ArrowRight: storedWidth() - STEP, Home: MIN, End: MAX };
  if (!(event.key in widths)) return;
  event.preventDefault();
  store(widths[event.key]);
}

export function startPanelWidth() {
  if (!panel()) return;
  show(storedWidth());
  document.addEventListener("pointerdown", startDrag);
  document.addEventListener("keydown", onKey);
  document.addEventListener("dblclick", (event) => {
    if (event.target.id === "grip") store(DEFAULT);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "panel") show(storedWidth());
  });
}
