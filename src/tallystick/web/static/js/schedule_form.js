// The form of a scheduled export: only the day that its frequency asks for.
const form = document.getElementById("schedule-form");
const show = () => {
  const frequency = form.elements.frequency.value;
  for (const label of form.querySelectorAll("[data-for]")) label.hidden = label.dataset.for !== frequency;
  if (form.elements.name) form.elements.name.placeholder = `${frequency[0].toUpperCase()}${frequency.slice(1)} export`;
};
form.elements.frequency.addEventListener("change", show);
show();
