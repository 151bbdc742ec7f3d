// Menus: only one is open at a time, and what one holds is loaded when it opens.

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
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary").focus();
  return true;
}

export function startMenus() {
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target.matches("details.menu[open]")) fillMenu(event.target);
    },
    true,
  );
  document.addEventListener("click", (event) => closeMenus(event.target.closest?.("details.menu")));
  document.addEventListener("change", (event) => {
    if (event.target.id === "top-field") loadTopValues();
  });
}
