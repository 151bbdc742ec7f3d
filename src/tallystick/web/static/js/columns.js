// The Columns menu: which columns the table shows, and compact rows. Both are kept on this device; columns are also
// in the address, which wins.

const COLUMNS = "tallystick.columns";
const COMPACT = "tallystick.compact";
const DEFAULT = "time,user,action,resource,ip,status";

const byId = (id) => document.getElementById(id);
const boxes = () => [...document.querySelectorAll("[data-column]")];

// `text`: names of columns with commas between.
function showColumns(text) {
  const names = text.split(",");
  for (const box of boxes()) box.checked = names.includes(box.dataset.column);
  const hidden = boxes().filter((box) => !box.checked);
  byId("page").dataset.hide = hidden.map((box) => box.dataset.column).join(" ");
  const parameter = text === DEFAULT ? "" : text;
  byId("columns-kept").value = parameter;
  updateAddress(parameter);
  const filters = new URLSearchParams(byId("results").dataset.filters);
  setOrDelete(filters, parameter);
  byId("results").dataset.filters = filters.size ? `?${filters}` : "";
}

function updateAddress(parameter) {
  const address = new URL(location.href);
  setOrDelete(address.searchParams, parameter);
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

function setOrDelete(parameters, columns) {
  if (columns) parameters.set("columns", columns);
  else parameters.delete("columns");
}

function chooseColumns(box) {
  const names = boxes()
    .filter((one) => one.checked)
    .map((one) => one.dataset.column);
  if (!names.length) {
    box.checked = true; // a table has a column
    return;
  }
  localStorage.setItem(COLUMNS, names.join(","));
  showColumns(names.join(","));
}

function chooseDensity(box) {
  localStorage.setItem(COMPACT, box.checked ? "on" : "off");
  document.documentElement.classList.toggle("compact", box.checked);
}

function restore() {
  const columns = localStorage.getItem(COLUMNS);
  if (columns && !new URLSearchParams(location.search).has("columns")) showColumns(columns);
  const isCompact = localStorage.getItem(COMPACT) === "on";
  byId("compact").checked = isCompact;
  document.documentElement.classList.toggle("compact", isCompact);
}

export function startColumns() {
  restore();
  document.addEventListener("change", ({ target }) => {
    if (target.dataset.column) chooseColumns(target);
    if (target.id === "compact") chooseDensity(target);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "page") restore();
  });
}
