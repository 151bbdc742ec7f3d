// Single keys: / j k Enter Esc l space t ?. They can be switched off, and never take a key from a box one types in.
import { leaveMenu } from "./filters.js";
import { closePanel, openRow } from "./panel.js";

const SETTING = "tallystick.single-keys";
let live;

const rows = () => [...document.querySelectorAll("#rows tr")];
const on = () => localStorage.getItem(SETTING) !== "off";
const typing = (element) => element.matches?.("input:not([type=checkbox], [type=radio]), select, textarea");

function current() {
  return document.activeElement.closest?.("#rows tr") ?? document.querySelector("#rows tr.chosen");
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.querySelector("a.open").focus();
  next?.scrollIntoView({ block: "nearest" });
}

function nextZone() {
  const select = document.getElementById("tz");
  if (select.options.length < 2) return;
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

const acts = {
  "/": () => document.getElementById("q").select(),
  j: () => move(1),
  k: () => move(-1),
  l: () => live.toggle(),
  t: nextZone,
  "?": () => document.getElementById("keys").showModal(),
};

function escape() {
  if (leaveMenu()) return true;
  if (document.activeElement.id === "q") return document.activeElement.blur(), true;
  return closePanel();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]"))
    return;
  if (event.key === "Escape") {
    if (escape()) event.preventDefault();
    return;
  }
  if (typing(event.target)) return;
  if (event.key === "Enter" && event.target.matches("body, #page, #list")) return openRow(current());
  if (!on()) return;
  const pausing = event.key === " " && live.running() && !event.target.closest("button, summary, input, a:not(.open)");
  const act = pausing ? live.pauseOrResume : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

export function startKeys(liveView) {
  live = liveView;
  document.addEventListener("keydown", pressed);
  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") localStorage.setItem(SETTING, event.target.checked ? "on" : "off");
  });
  const box = document.getElementById("keys-on");
  box.checked = on();
  document.addEventListener("htmx:afterSwap", () => (document.getElementById("keys-on").checked = on()));
}
