// The filter form: search as one types, filters, chips, and the mark of a search that cannot be understood.
import { fillMenu } from "./menus.js";
import { holdMistake, showMistake } from "./mistake.js";

const TYPING_PAUSE = 150; // milliseconds without a key before a search is sent

let sentQuery = "";
let timer = 0;

const byId = (id) => document.getElementById(id);
const form = () => byId("filters");
const currentQuery = () => new URLSearchParams(new FormData(form())).toString();

// Loads the list; `history` is "push" for a choice and "replace" for typing, so that Back undoes choices.
export function refresh(history = "replace", { force = false } = {}) {
  clearTimeout(timer);
  const query = currentQuery();
  if (query === sentQuery && !force) return;
  sentQuery = query;
  form().dataset.history = history;
  htmx.trigger(form(), "refresh");
}

function onInput({ target }) {
  if (target.id === "q") {
    holdMistake();
    afterPause(refresh);
  } else if (isTypedBox(target)) afterPause(() => fillMenu(target.closest("details")));
}

const isTypedBox = (box) => Boolean(box.name?.endsWith("_typed"));

// A form with several text boxes is not submitted by Enter.
function onKey(event) {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.target.id === "q") showMistake();
  if (!isTypedBox(event.target)) return;
  event.preventDefault();
  takeOffer(event.target);
}

// What is typed in a menu and not applied goes when it closes.
function onToggle({ target }) {
  const box = target.matches("details.menu:not([open])") && target.querySelector("input[name$=_typed]");
  if (box) box.value = "";
}

function afterPause(callback) {
  clearTimeout(timer);
  timer = setTimeout(callback, TYPING_PAUSE);
}

function onChange({ target: box }) {
  if (!box.closest?.("#filters") || isTypedBox(box)) return;
  const typed = box.closest("details")?.querySelector(".typed input[name$=_typed]");
  if (typed) typed.value = ""; // it was for finding what is chosen now
  if (box.dataset.all) clearChoices(box);
  else if (box.type === "checkbox") updateAll(box);
  if (box.name === "start" || box.name === "end") selectCustomRange();
  if (box.name === "range" && box.value === "custom" && !hasDay()) return; // waits for a day
  if (box.name === "range" && box.value !== "custom") clearDays();
  refresh("push");
}

// Enter in the box of a menu takes the first value that is offered for what is typed; the text itself is the filter
// where none is, or where it is a pattern.
async function takeOffer(box) {
  clearTimeout(timer);
  const offered = box.closest("details").querySelector(".offered");
  const typed = box.value.trim();
  if (typed && !typed.includes("*")) {
    htmx.trigger(offered, "htmx:abort");
    const answer = await fetch(`${offered.getAttribute("hx-get")}?${currentQuery()}`).catch(() => null);
    if (answer?.ok) offered.innerHTML = await answer.text();
    const offer = offered.querySelector("input:not(:checked)");
    if (answer?.ok && offer && box.value.trim() === typed) {
      offer.checked = true;
      box.value = "";
    }
  }
  refresh("push");
  fillMenu(box.closest("details"));
}

// All is the choice of none.
function clearChoices(all) {
  all.checked = true;
  for (const box of form().querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = false;
}

function updateAll(box) {
  const all = form().querySelector(`input[data-all="${box.name}"]`);
  if (all) all.checked = !form().querySelector(`input[name="${box.name}"]:checked`);
}

// Shows a period chosen elsewhere on the page, in seconds since 1970.
export function showPeriod(start, end) {
  for (const [id, seconds] of Object.entries({ start, end })) {
    byId(id).type = "text";
    byId(id).value = new Date(seconds * 1000).toISOString().replace(".000", "");
  }
  selectCustomRange();
  refresh("push");
}

// Days that were chosen for another period would come back with the next one.
function clearDays() {
  for (const id of ["start", "end"]) {
    byId(id).value = "";
    byId(id).type = "date";
  }
}

const hasDay = () => byId("start").value || byId("end").value;

function selectCustomRange() {
  form().querySelector('input[name="range"][value="custom"]').checked = true;
}

function describeRequest(event) {
  const { target, parameters, elt } = event.detail;
  if (target?.id !== "results") return;
  parameters.history = elt.dataset.history || "replace";
  const open = openEvent();
  if (open) parameters.open = open;
}

const openEvent = () => document.querySelector("#panel .panel")?.dataset.id;

// Chips and "Clear all" are plain links; here they change the page without loading it again.
function followLink(event) {
  const link = event.target.closest?.("a[data-page]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  let address = link.getAttribute("href");
  if (openEvent()) address = address.replace(/^\/audit-logs(?=\?|$)/, location.pathname); // the event stays open
  const nextFocus = link.dataset.page || "list"; // the link itself will be gone
  htmx.ajax("GET", address, { target: "#page", select: "#page", swap: "outerHTML", push: address }).then(() => {
    if (document.activeElement === document.body) byId(nextFocus).focus({ preventScroll: true });
  });
}

function onSwap(event) {
  const id = event.detail.target?.id;
  if (id === "page") sentQuery = currentQuery();
  if (id === "rows") showTable();
  if (["results", "page", "rows"].includes(id)) markMistake();
}

// A search that continues further back may find its first row only then.
function showTable() {
  if (!document.querySelector("#rows tr")) return;
  byId("events").hidden = false;
  byId("empty")?.remove();
}

// After a mistake the list still shows the search before it.
function markMistake() {
  const isMistaken = Boolean(document.querySelector("#mistake p"));
  byId("results").toggleAttribute("data-mistaken", isMistaken);
  byId("q").setAttribute("aria-invalid", String(isMistaken));
}

export function startFilters() {
  sentQuery = currentQuery();
  document.addEventListener("input", onInput);
  document.addEventListener("change", onChange);
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "filters") return;
    event.preventDefault();
    refresh("push");
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("toggle", onToggle, true);
  document.addEventListener("click", followLink);
  document.addEventListener("htmx:configRequest", describeRequest);
  document.addEventListener("htmx:afterSwap", onSwap);
  document.addEventListener("htmx:oobAfterSwap", markMistake);
}
