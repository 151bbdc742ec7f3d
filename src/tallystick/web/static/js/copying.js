// Buttons that copy: a text they carry, what an element shows, or the page's address.

let last;

async function copy(event) {
  const button = event.target.closest("[data-copy], [data-copy-text], [data-copy-link]");
  if (!button) return;
  const text =
    "copyLink" in button.dataset
      ? location.href
      : (button.dataset.copyText ?? document.querySelector(button.dataset.copy).textContent);
  const said = document.getElementById("copied");
  clearTimeout(last);
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = "Copied.";
  } catch {
    said.textContent = "The browser does not allow copying here.";
  }
  last = setTimeout(() => (said.textContent = ""), 4000);
}

export const showScripted = () =>
  document.querySelectorAll("[data-script][hidden]").forEach((element) => (element.hidden = false));

export function startCopying() {
  showScripted();
  document.addEventListener("click", copy);
  document.addEventListener("htmx:afterSwap", showScripted);
}
