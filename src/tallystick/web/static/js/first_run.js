// Waits for the first event, and then shows the log.
import { startCopying } from "./copying.js";

const page = document.getElementById("first-run");
const source = new EventSource(`/audit-logs/live?after=${page.dataset.through}`);

// What Tallystick itself does arrives too: only when the page would be the log, it is loaded anew.
source.addEventListener("rows", async () => {
  const answer = await fetch("/audit-logs");
  if ((await answer.text()).includes('id="first-run"')) return;
  document.getElementById("waiting").textContent = "The first event has arrived.";
  location.reload();
});
source.addEventListener("signed-out", () => source.close());
window.addEventListener("pagehide", () => source.close());
startCopying();
