// The search box completes qualifiers, and behind them the values that exist.
import { replaceWord, withoutWord, wordBefore } from "./search_terms.js";

const TYPING_PAUSE = 120; // milliseconds without a key before values are requested
const QUALIFIERS = {
  "user:": "who did it: email, name or ID",
  "action:": "what was done, such as deployment.*",
  "category:": "a kind of action",
  "status:": "success or failed",
  "resource:": "what it was done to: name or ID",
  "type:": "a type of resource",
  "ip:": "an address or network",
  "after:": "from this time on",
  "before:": "up to this time",
  "on:": "a whole day",
  "id:": "an event's ID",
  "session:": "a session's ID",
  "request:": "a request's ID",
  "trace:": "a trace's ID",
  "external_id:": "the sender's own ID of an event",
  "severity:": "info, low, medium, high or critical",
  "actor_type:": "a kind of actor, such as agent",
  "for:": "on whose behalf: email, name or ID",
  "mode:": "of an agent: interactive or autonomous",
  "tool:": "a tool that an agent called",
  "model:": "an agent's model",
  "channel:": "how it came: web, api, cli, mcp …",
  "reason:": "why it failed",
  "original:": "the action as its source names it",
  "source:": "the program that sent the event",
  "recorded_by:": "the API key or person that recorded it",
  "account:": "an account or tenant",
  "region:": "a region",
  "country:": "a country, such as DE",
  "network:": "a network",
  "auth:": "how somebody signed in",
  "credential:": "the ID of a key or token",
  "user_agent:": "a browser or client",
  "changes.": "a value that changed, such as changes.error:",
  "changes:*": "something changed",
  "metadata.": "a value in the metadata, such as metadata.team:",
  "request.": "a value of the request, such as request.replicas:>3",
  "response.": "a value of the response, such as response.status:500..599",
};
const WITHOUT_VALUES = ["id", "session", "request", "trace", "external_id"];
const WITH_VALUES = Object.keys(QUALIFIERS)
  .filter((name) => name.endsWith(":"))
  .map((name) => name.slice(0, -1))
  .filter((name) => !WITHOUT_VALUES.includes(name));
const DATES = {
  after: ["today", "yesterday", "24h", "7d", "30d"],
  before: ["today", "yesterday", "24h", "7d"],
  on: ["today", "yesterday"],
};

let requestNumber = 0;
let timer = 0;
let active = -1; // the place of the highlighted completion

const box = () => document.getElementById("q");
const list = () => document.getElementById("offers");
const options = () => [...list().children];
const currentWord = () => wordBefore(box().value, box().selectionStart);

// `isAsked`: also where nothing is typed yet.
function complete(isAsked = false) {
  clearTimeout(timer);
  requestNumber += 1;
  const number = requestNumber;
  const { word, name, value } = currentWord();
  if (!name) return show(isAsked || value ? qualifiersFor(value) : []);
  if (name in DATES) return show(datesFor(name, value));
  if (!WITH_VALUES.includes(name) || word.length <= name.length) return hide();
  timer = setTimeout(() => loadValues(name, value, number), TYPING_PAUSE);
}

function qualifiersFor(typed) {
  const names = Object.keys(QUALIFIERS).filter((name) => name.startsWith(typed.toLowerCase()));
  return names.map((text) => ({ text, hint: QUALIFIERS[text] }));
}

function datesFor(name, typed) {
  return DATES[name].filter((date) => date.startsWith(typed)).map((date) => ({ text: `${name}:${date}` }));
}

async function loadValues(name, typed, number) {
  const parameters = new URLSearchParams(new FormData(document.getElementById("filters")));
  parameters.set("q", withoutWord(box().value, currentWord()));
  parameters.set("typed", typed);
  const answer = await fetch(`/audit-logs/complete/${name}?${parameters}`).catch(() => null);
  if (!answer?.ok || number !== requestNumber) return;
  const values = await answer.json();
  if (number !== requestNumber || document.activeElement !== box()) return;
  show(values.map(({ count, ...value }) => ({ ...value, hint: count == null ? "" : count.toLocaleString("en") })));
}

function show(completions) {
  const { word } = currentWord();
  const highlighted = options()[active]?.dataset.text;
  active = -1;
  list().replaceChildren(...completions.filter(({ text }) => text !== word).map(option));
  list().hidden = !list().childElementCount;
  box().setAttribute("aria-expanded", String(!list().hidden));
  box().removeAttribute("aria-activedescendant");
  const place = options().findIndex((one) => one.dataset.text === highlighted);
  if (place >= 0) highlight(place + 1); // a late answer keeps what somebody is about to choose
}

function option({ text, shown, hint }, place) {
  const element = Object.assign(document.createElement("li"), { id: `offer-${place}`, role: "option" });
  element.dataset.text = text;
  const words = Object.assign(document.createElement("bdi"), { textContent: shown ?? text });
  const aside = Object.assign(document.createElement("span"), { className: "hint", textContent: hint ?? "" });
  element.append(words, " ", aside);
  return element;
}

function hide() {
  requestNumber += 1;
  clearTimeout(timer);
  if (!list()) return;
  list().hidden = true;
  list().replaceChildren();
  active = -1;
  box().setAttribute("aria-expanded", "false");
  box().removeAttribute("aria-activedescendant");
}

// Moves the highlight by `step`, around the ends.
function highlight(step) {
  const all = options();
  active = (active + step + all.length + (active < 0 && step < 0 ? 1 : 0)) % all.length;
  for (const [place, element] of all.entries()) element.setAttribute("aria-selected", String(place === active));
  all[active].scrollIntoView({ block: "nearest" });
  box().setAttribute("aria-activedescendant", all[active].id);
}

// A qualifier goes on with its value; after a value comes the next word.
function accept(text) {
  const completion = text in QUALIFIERS ? text : `${text} `;
  const result = replaceWord(box().value, currentWord(), completion);
  box().value = result.text;
  box().setSelectionRange(result.caret, result.caret);
  hide();
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

function onKey(event) {
  if (event.target !== box() || event.isComposing) return;
  const action = actionOf(event.key);
  if (action) {
    event.preventDefault();
    event.stopPropagation();
    action();
  } else if (event.key === "Enter" && !list().hidden) hide(); // and the form is sent
}

// What a key does; null leaves it to the box and its form.
function actionOf(key) {
  const isOpen = !list().hidden;
  switch (key) {
    case "ArrowDown":
      return isOpen ? () => highlight(1) : () => complete(true);
    case "ArrowUp":
      return isOpen ? () => highlight(-1) : () => complete(true);
    case "Enter":
    case "Tab":
      return isOpen && active >= 0 ? () => accept(options()[active].dataset.text) : null;
    case "Escape":
      return isOpen ? hide : null;
    default:
      return null;
  }
}

export function startSearchBox() {
  document.addEventListener("input", (event) => {
    if (event.target === box()) complete();
  });
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("focusout", (event) => {
    if (event.target === box()) hide();
  });
  document.addEventListener("mousedown", (event) => {
    const element = event.target.closest?.("#offers [role=option]");
    if (!element) return;
    event.preventDefault(); // the focus stays in the box
    accept(element.dataset.text);
  });
}
