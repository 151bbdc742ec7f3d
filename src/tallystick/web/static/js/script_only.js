// Elements that do nothing without scripts are hidden by the server, and shown here.

function show() {
  for (const element of document.querySelectorAll("[data-script][hidden]")) element.hidden = false;
}

export function startScriptOnly() {
  show();
  document.addEventListener("htmx:afterSwap", show);
}
