// The search box completes qualifiers, and behind them the values that there are.

const PAUSE = 120; // milliseconds without a key before values are asked for
const QUALIFIERS = {
  "user:": "who did it: e-mail, name or id",
  "action:": "what was done, such as deployment.*",
  "category:": "a kind of action",
  "status:": "success or failed",
  "resource:": "what it was done to: name or id",
  "type:": "a type of resource",
  "ip:": "an address or network",
  "after:": "from then on",
  "before:": "up to then",
  "on:": "a whole day",
  "id:": "an event's id",
  "session:": "a session's id",
  "request:": "a request's id",
  "changes.": "a value that changed, such as changes.error:",
  "metadata.": "a value in the metadata, such as metadata.team:",
};
const COUNTED = ["user", "action", "category", "status", "resource", "type", "ip"];
const MOMENTS = {
  after: ["today", "yesterday", "24h", "7d", "30d"],
  before: ["today", "yesterday", "24h", "7d"],
  on: ["today", "yesterday"],
};
// What stands before the caret: a sign, perhaps a qualifier, and what is typed of a value.
const WORD = /(?:^|[\s(])-?((?:([a-z_]+):)?("[^"]*|[^\s()"]*))$/i;

let serial = 0;
let timer = 0;
let active = -1;

const box = () => document.getElementById("q");
const list = () => document.getElementById("offers");
const options = () => [...list().children];

function here() {
  const before = box().value.slice(0, box().selectionStart);
  const [, whole = "", name = "", typed = ""] = WORD.exec(before) ?? [];
  return {
    whole,
    name: name.toLowerCase(),
    typed: typed.replace(/^"/, ""),
    from: before.length - whole.length,
    to: before.length,
  };
}

// `all`: also where nothing is typed yet.
function offer(all = false) {
  clearTimeout(timer);
  const number = ++serial;
  const { whole, name, typed } = here();
  if (!name) {
    const fitting = Object.keys(QUALIFIERS).filter((one) => one.startsWith(typed.toLowerCase()));
    return show(all || typed ? fitting.map((text) => ({ text, hint: QUALIFIERS[text] })) : []);
  }
  if (name in MOMENTS)
    return show(MOMENTS[name].filter((one) => one.startsWith(typed)).map((one) => ({ text: `${name}:${one}` })));
  if (!COUNTED.includes(name) || !(whole.length > name.length)) return hide();
  timer = setTimeout(() => ask(name, typed, number), PAUSE);
}

async function ask(name, typed, number) {
  const { from, to } = here();
  const question = new URLSearchParams(new FormData(document.getElementById("filters")));
  question.set("q", (box().value.slice(0, from).replace(/-$/, "") + box().value.slice(to)).trim());
  question.set("typed", typed);
  const answer = await fetch(`/audit-logs/complete/${name}?${question}`).catch(() => null);
  if (!answer?.ok || number !== serial) return;
  const found = await answer.json();
  if (number !== serial || document.activeElement !== box()) return;
  show(found.map(({ text, count }) => ({ text, hint: count == null ? "" : count.toLocaleString("en") })));
}

function show(found) {
  const { whole } = here();
  const chosen = options()[active]?.dataset.text;
  active = -1;
  list().replaceChildren(...found.filter(({ text }) => text !== whole).map(option));
  list().hidden = !list().childElementCount;
  box().setAttribute("aria-expanded", String(!list().hidden));
  box().removeAttribute("aria-activedescendant");
  const place = options().findIndex((one) => one.dataset.text === chosen);
  if (place >= 0) go(place + 1); // an answer that comes late takes nothing from the hand
}

function option({ text, hint }, place) {
  const made = Object.assign(document.createElement("li"), { id: `offer-${place}`, role: "option" });
  made.dataset.text = text;
  const words = Object.assign(document.createElement("bdi"), { textContent: text });
  const aside = Object.assign(document.createElement("span"), { className: "hint", textContent: hint ?? "" });
  made.append(words, " ", aside);
  return made;
}

function hide() {
  serial++;
  clearTimeout(timer);
  if (!list()) return;
  list().hidden = true;
  list().replaceChildren();
  active = -1;
  box().setAttribute("aria-expanded", "false");
  box().removeAttribute("aria-activedescendant");
}

function go(step) {
  const all = options();
  active = (active + step + all.length + (active < 0 && step < 0 ? 1 : 0)) % all.length;
  all.forEach((one, place) => one.setAttribute("aria-selected", String(place === active)));
  all[active].scrollIntoView({ block: "nearest" });
  box().setAttribute("aria-activedescendant", all[active].id);
}

function take(text) {
  const { from, to } = here();
  const whole = /[:.]$/.test(text) && text in QUALIFIERS ? text : `${text} `;
  const rest = box().value.slice(to).replace(/^\s+/, "");
  box().value = box().value.slice(0, from) + whole + rest;
  box().setSelectionRange(from + whole.length, from + whole.length);
  hide();
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

function pressed(event) {
  if (event.target !== box() || event.isComposing) return;
  const open = !list().hidden;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!open) offer(true);
    else go(event.key === "ArrowDown" ? 1 : -1);
  } else if (!open) return;
  else if ((event.key === "Enter" || event.key === "Tab") && active >= 0) take(options()[active].dataset.text);
  else if (event.key === "Escape") hide();
  else return event.key === "Enter" ? hide() : undefined;
  event.preventDefault();
  event.stopPropagation();
}

export function startSearchBox() {
  document.addEventListener("input", (event) => event.target === box() && offer());
  document.addEventListener("keydown", pressed, true);
  document.addEventListener("focusout", (event) => event.target === box() && hide());
  document.addEventListener("mousedown", (event) => {
    const chosen = event.target.closest?.("#offers [role=option]");
    if (!chosen) return;
    event.preventDefault(); // the focus stays in the box
    take(chosen.dataset.text);
  });
}
