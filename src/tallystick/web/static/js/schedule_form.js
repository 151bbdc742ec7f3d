// The form of a scheduled export: shows only the day that its frequency needs.

const form = document.getElementById("schedule-form");

function showDay() {
  const frequency = form.elements.frequency.value;
  for (const label of form.querySelectorAll("[data-for]")) label.hidden = label.dataset.for !== frequency;
  const name = form.elements.name;
  if (name) name.placeholder = `${frequency[0].toUpperCase()}${frequency.slice(1)} export`;
}

form.elements.frequency.addEventListener("change", showDay);
showDay();
