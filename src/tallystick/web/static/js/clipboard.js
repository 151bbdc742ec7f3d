// Buttons that copy: a text they carry, the text of an element, or the address of the page; on Audit Logs also the
// search as a link or as a curl command.

const MESSAGE_TIME = 4000; // milliseconds

let messageTimer = 0;

// The search as a request to the API, for a shell. An apostrophe would end the quotes around the URL.
export function curlCommand(url) {
  return `curl -H "Authorization: Bearer $API_KEY" '${url.replaceAll("'", "%27")}'`;
}

async function copy(text, message) {
  try {
    await navigator.clipboard.writeText(text);
    message.textContent = "Copied.";
  } catch {
    message.textContent = "Your browser does not allow copying here.";
  }
}

async function copyOf(button) {
  const { copy: selector, copyText, copyLink } = button.dataset;
  const text = copyLink === undefined ? (copyText ?? document.querySelector(selector).textContent) : location.href;
  const message = document.getElementById("copied");
  clearTimeout(messageTimer);
  await copy(text, message);
  messageTimer = setTimeout(() => {
    message.textContent = "";
  }, MESSAGE_TIME);
}

function copySearch(button) {
  const api = `${location.origin}${document.getElementById("results").dataset.api}`;
  const text = button.dataset.searchAs === "link" ? location.href : curlCommand(api);
  return copy(text, document.getElementById("search-copied"));
}

export function startClipboard() {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-copy], [data-copy-text], [data-copy-link]");
    if (button) copyOf(button);
    const search = target.closest("[data-search-as]");
    if (search) copySearch(search);
  });
}
