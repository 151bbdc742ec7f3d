// The page of an organization without events: waits for the first event, and then shows the log.
import { startClipboard } from "./clipboard.js";
import { startScriptOnly } from "./script_only.js";

const RETRY_DELAY = 500; // milliseconds; an event arrives live a moment before the list can show it
const MAX_TRIES = 12;

const page = document.getElementById("first-run");
const source = new EventSource(`/audit-logs/live?after=${page.dataset.through}`);
let triesLeft = 0;

// Tallystick's own events arrive too: the page is loaded again only when the answer would be the log.
async function checkForLog() {
  const answer = await fetch("/audit-logs");
  if (!(await answer.text()).includes('id="first-run"')) {
    document.getElementById("waiting").textContent = "The first event has arrived.";
    location.reload();
    return;
  }
  triesLeft -= 1;
  if (triesLeft > 0) setTimeout(checkForLog, RETRY_DELAY);
}

source.addEventListener("rows", () => {
  const isIdle = triesLeft <= 0;
  triesLeft = MAX_TRIES;
  if (isIdle) checkForLog();
});
source.addEventListener("signed-out", () => source.close());
window.addEventListener("pagehide", () => source.close());
startScriptOnly();
startClipboard();
