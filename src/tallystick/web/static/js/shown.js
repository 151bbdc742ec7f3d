// How the list is shown, and what its menus hold: columns, compact rows, relative times, top values, saved views, copying.

const COLUMNS = "tallystick.columns";
const COMPACT = "tallystick.compact";
const USUAL = "time,user,action,resource,ip,status";
const SPANS = { year: 31_536_000, month: 2_592_000, week: 604_800, day: 86_400, hour: 3600, minute: 60, second: 1 };

const at = (id) => document.getElementById(id);
const asked = () => at("results").dataset.filters;
const boxes = () => [...document.querySelectorAll("[data-column]")];

function showColumns(text) {
  const wanted = text.split(",");
  for (const box of boxes()) box.checked = wanted.includes(box.dataset.column);
  const unwanted = boxes().filter((box) => !box.checked);
  at("page").dataset.hide = unwanted.map((box) => box.dataset.column).join(" ");
  const said = text === USUAL ? "" : text;
  at("columns-kept").value = said;
  const address = new URL(location.href);
  if (said) address.searchParams.set("columns", said);
  else address.searchParams.delete("columns");
  if (address.href !== location.href) history.replaceState(history.state, "", address);
  const filters = new URLSearchParams(asked());
  if (said) filters.set("columns", said);
  else filters.delete("columns");
  at("results").dataset.filters = filters.size ? `?${filters}` : "";
}

function chooseColumns(box) {
  const chosen = boxes()
    .filter((one) => one.checked)
    .map((one) => one.dataset.column)
    .join(",");
  if (!chosen) return void (box.checked = true); // a table has a column
  localStorage.setItem(COLUMNS, chosen);
  showColumns(chosen);
}

// What somebody chose on this device holds where the link says nothing else.
function recall() {
  const kept = localStorage.getItem(COLUMNS);
  if (kept && !new URLSearchParams(location.search).has("columns")) showColumns(kept);
  const compact = localStorage.getItem(COMPACT) === "on";
  at("compact").checked = compact;
  document.documentElement.classList.toggle("compact", compact);
}

function tellHowLongAgo(event) {
  const time = event.target.closest?.("#rows .c-time")?.querySelector("time");
  if (!time) return;
  const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
  const [unit, length] = Object.entries(SPANS).find(([, span]) => Math.abs(seconds) >= span) ?? ["second", 1];
  time.title = new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(Math.round(seconds / length), unit);
}

function fill(menu) {
  if (menu.id === "saved-menu")
    htmx.ajax("GET", `/audit-logs/saved${asked()}`, { target: "#saved-list", swap: "innerHTML" });
  if (menu.id === "top-values-menu") fillTop();
  for (const name of ["category", "status"])
    if (menu.querySelector(`input[data-all="${name}"]`)) countChoices(menu, name);
}

function fillTop() {
  htmx.ajax("GET", `/audit-logs/facets/${at("top-field").value}${asked()}`, {
    source: "#top-list",
    target: "#top-list",
    swap: "innerHTML",
  });
}

// How many there are of each; Other is offered only where there is any.
async function countChoices(menu, name) {
  const answer = await fetch(`/audit-logs/complete/${name}${asked()}`).catch(() => null);
  if (!answer?.ok) return;
  const counts = new Map((await answer.json()).map(({ text, count }) => [text.slice(name.length + 1), count ?? 0]));
  for (const box of menu.querySelectorAll(`input[name="${name}"]`)) {
    const label = box.closest("label");
    const number =
      label.querySelector(".number") ??
      label.appendChild(Object.assign(document.createElement("span"), { className: "number" }));
    number.textContent = (counts.get(box.value) ?? 0).toLocaleString("en");
    if (box.value === "other") label.hidden = !counts.get("other") && !box.checked;
  }
}

async function copySearch(button) {
  const api = `${location.origin}${at("results").dataset.api}`;
  const text =
    button.dataset.searchAs === "link"
      ? location.href
      : `curl -H "Authorization: Bearer $API_KEY" '${api.replaceAll("'", "%27")}'`;
  try {
    await navigator.clipboard.writeText(text);
    at("search-copied").textContent = "Copied.";
  } catch {
    at("search-copied").textContent = "The browser does not allow copying here.";
  }
}

export function startShown() {
  recall();
  const here = at("problem")?.dataset.here; // a form was refused: the address is the list's again
  if (here) history.replaceState(null, "", here);
  document.addEventListener("change", ({ target }) => {
    if (target.dataset.column) chooseColumns(target);
    if (target.id === "top-field") fillTop();
    if (target.id !== "compact") return;
    localStorage.setItem(COMPACT, target.checked ? "on" : "off");
    document.documentElement.classList.toggle("compact", target.checked);
  });
  document.addEventListener(
    "toggle",
    (event) => event.target.matches("details.menu[open]") && fill(event.target),
    true,
  );
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-search-as]");
    if (button) copySearch(button);
  });
  document.addEventListener("pointerover", tellHowLongAgo);
  document.addEventListener("focusin", tellHowLongAgo);
  document.addEventListener("htmx:afterSwap", (event) => event.detail.target?.id === "page" && recall());
}
