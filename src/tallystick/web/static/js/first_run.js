// Waits for the first event, and then shows the log.
import { startCopying } from "./copying.js";

const PAUSE = 500; // milliseconds; an event is told live a moment before the list can show it
const TRIES = 12;

const page = document.getElementById("first-run");
const source = new EventSource(`/audit-logs/live?after=${page.dataset.through}`);
let left = 0;

// What Tallystick itself does arrives too: only when the page would be the log, it is loaded anew.
async function look() {
  const answer = await fetch("/audit-logs");
  if (!(await answer.text()).includes('id="first-run"')) {
    document.getElementById("waiting").textContent = "The first event has arrived.";
    location.reload();
  } else if (--left > 0) {
    setTimeout(look, PAUSE);
  }
}

source.addEventListener("rows", () => {
  const idle = left <= 0;
  left = TRIES;
  if (idle) look();
});
source.addEventListener("signed-out", () => source.close());
window.addEventListener("pagehide", () => source.close());
startCopying();
