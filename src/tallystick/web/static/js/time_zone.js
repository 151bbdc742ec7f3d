// The time zone in which the page shows timestamps: UTC, the organization's, or that of this device.

const select = () => document.getElementById("tz");

function offerLocalZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!select() || !zone || zone === "UTC") return;
  const label = `${zone} (local)`;
  const option = [...select().options].find(({ value }) => value === zone);
  if (option) option.textContent = label;
  else select().add(new Option(label, zone));
}

// A zone changes every part of the page, so the page is loaded again.
function reload() {
  const url = new URL(location.href);
  if (select().value) url.searchParams.set("tz", select().value);
  else url.searchParams.delete("tz");
  url.searchParams.delete("cursor");
  location.assign(url);
}

export function selectNextZone() {
  if (select().options.length < 2) return;
  select().selectedIndex = (select().selectedIndex + 1) % select().options.length;
  reload();
}

export function startTimeZone() {
  offerLocalZone();
  document.addEventListener("change", (event) => {
    if (event.target.id === "tz") reload();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "page") offerLocalZone();
  });
}
