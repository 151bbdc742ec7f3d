// Waits for the first event, and then shows the log.
import { startCopying } from "./copying.js";

const page = document.getElementById("first-run");
const source = new EventSource(`/audit-logs/live?after=${page.dataset.through}`);

source.addEventListener("rows", () => {
  document.getElementById("waiting").textContent = "Something has been recorded.";
  source.close();
  location.reload();
});
source.addEventListener("signed-out", () => source.close());
window.addEventListener("pagehide", () => source.close());
startCopying();
