// The message above the list when the server cannot be reached or answers with an error.
import { refresh } from "./filters.js";

const LISTS = ["results", "page", "rows"];
const message = () => document.getElementById("trouble");

function show(event) {
  const status = event.detail.xhr?.status;
  if (status === 401) {
    location.reload(); // the server leads to the sign-in
    return;
  }
  const reason = status ? `The server answered with an error (${status}).` : "The server cannot be reached.";
  document.getElementById("trouble-words").textContent = `${reason} The list below shows the previous results.`;
  message().hidden = false;
}

export function startRequestErrors() {
  document.addEventListener("htmx:responseError", show);
  document.addEventListener("htmx:sendError", show);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (LISTS.includes(event.detail.target?.id)) message().hidden = true;
  });
  document.addEventListener("click", (event) => {
    if (event.target.id === "trouble-retry") refresh("replace", { force: true });
  });
}
