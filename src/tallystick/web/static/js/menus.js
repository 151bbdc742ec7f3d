// Menus: only one is open at a time, it lies inside the window, and what one holds is loaded when it opens.

const MARGIN = 8; // pixels between a menu and the edges of the window
const LEAST_HEIGHT = 160;

const filters = () => document.getElementById("results").dataset.filters;

// Loads the content of an open menu: values that match what is typed, saved views, top values, counts.
export function fillMenu(menu) {
  const suggestions = menu?.querySelector(".offered");
  if (suggestions) htmx.trigger(suggestions, "fill");
  if (menu?.id === "saved-menu") loadSavedViews();
  if (menu?.id === "top-values-menu") loadTopValues();
  for (const name of ["category", "status", "actor_type"])
    if (menu?.querySelector(`input[data-all="${name}"]`)) loadCounts(menu, name);
}

function loadSavedViews() {
  htmx.ajax("GET", `/audit-logs/saved${filters()}`, { target: "#saved-list", swap: "innerHTML" });
}

function loadTopValues() {
  const address = `/audit-logs/facets/${document.getElementById("top-field").value}${filters()}`;
  htmx.ajax("GET", address, { source: "#top-list", target: "#top-list", swap: "innerHTML" });
}

// The number of events of each choice. Other is shown only where there is one.
async function loadCounts(menu, name) {
  const answer = await fetch(`/audit-logs/complete/${name}${filters()}`).catch(() => null);
  if (!answer?.ok) return;
  const counts = new Map((await answer.json()).map(({ text, count }) => [text.slice(name.length + 1), count ?? 0]));
  for (const box of menu.querySelectorAll(`input[name="${name}"]`)) {
    const label = box.closest("label");
    numberIn(label).textContent = (counts.get(box.value) ?? 0).toLocaleString("en");
    if (box.value === "other") label.hidden = !counts.get("other") && !box.checked;
  }
}

function numberIn(label) {
  const number = label.querySelector(".number") ?? document.createElement("span");
  number.className = "number";
  if (!number.parentElement) label.append(number);
  return number;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

// Closes the open menu and returns the focus to its button; returns whether there was one.
export function leaveMenu() {
  const menu = openMenu();
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary").focus();
  return true;
}

// Moves the content of an open menu inside the window, whatever side of its button it hangs on.
function place(menu) {
  const content = menu?.querySelector(":scope > .choices");
  if (!content) return;
  content.style.translate = "";
  content.style.maxHeight = "";
  const { left, right, top, bottom } = content.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const shift = Math.max(Math.min(0, width - MARGIN - right), MARGIN - left);
  if (left < MARGIN || right > width - MARGIN) content.style.translate = `${Math.round(shift)}px`;
  const room = window.innerHeight - MARGIN;
  if (bottom > room) content.style.maxHeight = `${Math.max(LEAST_HEIGHT, Math.floor(room - top))}px`;
}

const openMenu = () => document.querySelector("details.menu[open]");
const typedBox = (menu) => menu?.querySelector(".typed input");

function opened(menu) {
  place(menu);
  fillMenu(menu);
  if (window.matchMedia("(pointer: fine)").matches) typedBox(menu)?.focus({ preventScroll: true });
}

// Arrows move through the box and the choices of a menu; its radio buttons and dates keep their own keys.
function onKey(event) {
  const menu = event.target.closest?.("details.menu[open]");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("select, input[type=radio], input[type=date]")) return;
  const stops = [...menu.querySelectorAll("summary, .typed input, input[type=checkbox], .choices :is(a, button)")];
  const visible = stops.filter((stop) => stop.checkVisibility());
  const next = visible[visible.indexOf(event.target) + step];
  event.preventDefault();
  next?.focus();
}

export function startMenus() {
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target.matches("details.menu[open]")) opened(event.target);
    },
    true,
  );
  document.addEventListener("keydown", onKey);
  document.addEventListener("htmx:afterSwap", () => place(openMenu()));
  window.addEventListener("resize", () => place(openMenu()));
  document.addEventListener("click", (event) => closeMenus(event.target.closest?.("details.menu")));
  document.addEventListener("change", (event) => {
    if (event.target.id === "top-field") loadTopValues();
  });
}
