// The Export menu and Schedule Export: both apply to the list that the page shows, as its address describes it.

export function startExportMenu() {
  document.getElementById("export-form")?.addEventListener("submit", (event) => {
    event.target.elements.query.value = location.search.slice(1);
  });
  for (const link of document.querySelectorAll("[data-schedule]")) {
    link.addEventListener("click", () => {
      link.search = location.search;
    });
  }
}
