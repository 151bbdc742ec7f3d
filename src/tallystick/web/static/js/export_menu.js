// The Export menu and Schedule Export: what they are about is what the page shows now, which its address says.
export function startExportMenu() {
  document.getElementById("export-form")?.addEventListener("submit", (event) => {
    event.target.elements.query.value = location.search.slice(1);
  });
  for (const link of document.querySelectorAll("[data-schedule]")) {
    link.addEventListener("click", () => (link.search = location.search));
  }
}
