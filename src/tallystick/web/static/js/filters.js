// Search as one types, the filter menus, chips, and what is said when the server cannot be reached.

const TYPING_PAUSE = 150; // milliseconds without a key before a search is sent

let sent = "";
let timer = 0;

const at = (id) => document.getElementById(id);
const form = () => document.getElementById("filters");
const said = () => new URLSearchParams(new FormData(form())).toString();

// Draws the list anew; `history` is "push" for a choice and "replace" for typing, so that Back undoes choices.
export function refresh(history = "replace", { force = false } = {}) {
  clearTimeout(timer);
  const now = said();
  if (now === sent && !force) return;
  sent = now;
  form().dataset.history = history;
  htmx.trigger(form(), "refresh");
}

function typed(event) {
  const box = event.target;
  if (box.id === "q") {
    clearTimeout(timer);
    timer = setTimeout(refresh, TYPING_PAUSE);
  } else if (box.name?.endsWith("_typed")) {
    clearTimeout(timer);
    timer = setTimeout(() => fill(box.closest("details")), TYPING_PAUSE);
  }
}

function changed(event) {
  const box = event.target;
  if (box.id !== "tz" && !box.closest?.("#filters")) return;
  if (box.dataset.all) untick(box);
  else if (box.type === "checkbox") tellAll(box);
  if (box.name === "start" || box.name === "end") custom();
  if (box.name === "range" && box.value === "custom" && !anyDay()) return; // waits for a day
  if (box.name === "range" && box.value !== "custom") forgetDays();
  if (box.name === "tz") return reload();
  refresh("push");
}

// A zone changes what every part of the page shows.
function reload() {
  const url = new URL(location.href);
  const zone = document.getElementById("tz").value;
  if (zone) url.searchParams.set("tz", zone);
  else url.searchParams.delete("tz");
  url.searchParams.delete("cursor");
  location.assign(url);
}

function untick(all) {
  all.checked = true;
  for (const box of form().querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = false;
}

function tellAll(box) {
  const all = form().querySelector(`input[data-all="${box.name}"]`);
  if (all) all.checked = !form().querySelector(`input[name="${box.name}"]:checked`);
}

// A period chosen elsewhere on the page, in seconds since 1970.
export function narrow(start, end) {
  const written = (seconds) => new Date(seconds * 1000).toISOString().replace(".000", "");
  for (const [id, seconds] of [
    ["start", start],
    ["end", end],
  ]) {
    at(id).type = "text";
    at(id).value = written(seconds);
  }
  custom();
  refresh("push");
}

// Days that were chosen for another period would come back with the next one.
function forgetDays() {
  for (const id of ["start", "end"]) {
    at(id).value = "";
    at(id).type = "date";
  }
}

const anyDay = () => document.getElementById("start").value || document.getElementById("end").value;
const custom = () => (form().querySelector('input[name="range"][value="custom"]').checked = true);

function fill(menu) {
  const offered = menu?.querySelector(".offered");
  if (offered) htmx.trigger(offered, "fill");
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

// Closes an open menu and gives the focus back to its button; tells whether there was one.
export function leaveMenu() {
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary").focus();
  return true;
}

function offerLocalZone() {
  const select = document.getElementById("tz");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!select || !zone || zone === "UTC") return;
  const known = [...select.options].find((option) => option.value === zone);
  if (known) known.textContent = `${zone} (local)`;
  else select.add(new Option(`${zone} (local)`, zone));
}

function describeRequest(event) {
  const { target, parameters, elt } = event.detail;
  if (target?.id !== "results") return;
  parameters.history = elt.dataset.history || "replace";
  const open = document.querySelector("#panel .panel")?.dataset.id;
  if (open) parameters.open = open;
}

// Chips and "Clear all" are plain links; here they change the page without loading it anew.
function follow(event) {
  const link = event.target.closest?.("a[data-page]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  let address = link.getAttribute("href");
  if (document.querySelector("#panel .panel")?.dataset.id)
    address = address.replace(/^\/audit-logs(?=\?|$)/, location.pathname); // it stays open
  const next = link.dataset.page || "list"; // where the focus goes, since the link itself will be gone
  htmx.ajax("GET", address, { target: "#page", select: "#page", swap: "outerHTML", push: address }).then(() => {
    if (document.activeElement === document.body) document.getElementById(next).focus({ preventScroll: true });
  });
}

function trouble(words) {
  document.getElementById("trouble-words").textContent = words;
  document.getElementById("trouble").hidden = false;
}

function failed(event) {
  const status = event.detail.xhr?.status;
  if (status === 401) return location.reload();
  trouble(
    status
      ? `The server answered with an error (${status}). The list below still shows what was found before.`
      : "The server cannot be reached. The list below still shows what was found before.",
  );
}

function settled(event) {
  const id = event.detail.target?.id;
  if (id !== "results" && id !== "page" && id !== "rows") return;
  document.getElementById("trouble").hidden = true;
  if (id === "page") begin();
  if (id === "rows") showTable();
  markMistake();
}

// A search that reads further back may find the first row only then.
function showTable() {
  if (!document.querySelector("#rows tr")) return;
  document.getElementById("events").hidden = false;
  document.getElementById("empty")?.remove();
}

// After a mistake the list still shows what was searched before it.
function markMistake() {
  const mistaken = Boolean(document.querySelector("#mistake p"));
  document.getElementById("results").toggleAttribute("data-mistaken", mistaken);
  document.getElementById("q").setAttribute("aria-invalid", String(mistaken));
}

function begin() {
  sent = said();
  offerLocalZone();
}

export function startFilters() {
  begin();
  document.addEventListener("input", typed);
  document.addEventListener("change", changed);
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "filters") return;
    event.preventDefault();
    refresh("push");
  });
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target.matches("details.menu[open]")) fill(event.target);
    },
    true,
  );
  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest?.("details.menu"));
    if (event.target.id === "trouble-retry") refresh("replace", { force: true });
    follow(event);
  });
  document.addEventListener("htmx:configRequest", describeRequest);
  document.addEventListener("htmx:afterSwap", settled);
  document.addEventListener("htmx:oobAfterSwap", markMistake);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);
}
