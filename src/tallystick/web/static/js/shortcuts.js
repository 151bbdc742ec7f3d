// Keyboard shortcuts: / j k Enter Esc l Space t ?. Single keys can be switched off, and never take a key from a text
// box or an open menu.
import { leaveMenu } from "./menus.js";
import { closePanel, openRow } from "./panel.js";
import { selectNextZone } from "./time_zone.js";

const SETTING = "tallystick.single-keys";
let live;

const rows = () => [...document.querySelectorAll("#rows tr")];
const isOn = () => localStorage.getItem(SETTING) !== "off";
const isTextBox = (element) => element.matches?.("input:not([type=checkbox], [type=radio]), select, textarea");

function currentRow() {
  return document.activeElement.closest?.("#rows tr") ?? document.querySelector("#rows tr.chosen");
}

function moveBy(step) {
  const all = rows();
  const place = all.indexOf(currentRow());
  const next = all[place < 0 ? 0 : Math.min(Math.max(place + step, 0), all.length - 1)];
  next?.querySelector("a.open").focus();
  next?.scrollIntoView({ block: "nearest" });
}

const shortcuts = {
  "/": () => document.getElementById("q").select(),
  j: () => moveBy(1),
  k: () => moveBy(-1),
  l: () => live.toggle(),
  t: selectNextZone,
  "?": () => document.getElementById("keys").showModal(),
};

// Leaves what was opened last; returns whether there was anything.
function leave() {
  if (leaveMenu()) return true;
  if (document.activeElement.id !== "q") return closePanel();
  document.activeElement.blur();
  return true;
}

function onKey(event) {
  const isDialogOpen = document.querySelector("dialog[open]");
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isDialogOpen) return;
  if (event.key === "Escape") {
    if (leave()) event.preventDefault();
    return;
  }
  if (isTextBox(event.target) || document.querySelector("details.menu[open]")) return;
  if (event.key === "Enter" && event.target.matches("body, #page, #list")) {
    openRow(currentRow());
    return;
  }
  if (!isOn()) return;
  const action = isPauseKey(event) ? () => live.togglePause() : shortcuts[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

// Space presses a button or a link that has the focus.
function isPauseKey(event) {
  return event.key === " " && live.isRunning && !event.target.closest("button, summary, input, a:not(.open)");
}

function showSetting() {
  document.getElementById("keys-on").checked = isOn();
}

// `liveView` is the page's LiveView.
export function startShortcuts(liveView) {
  live = liveView;
  showSetting();
  document.addEventListener("keydown", onKey);
  document.addEventListener("change", ({ target }) => {
    if (target.id === "keys-on") localStorage.setItem(SETTING, target.checked ? "on" : "off");
  });
  document.addEventListener("htmx:afterSwap", showSetting);
}
