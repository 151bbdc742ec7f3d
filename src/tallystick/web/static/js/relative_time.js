// The tooltip of a timestamp: how long ago it was.

const SECONDS = { year: 31_536_000, month: 2_592_000, week: 604_800, day: 86_400, hour: 3600, minute: 60, second: 1 };

// "3 hours ago", "in 2 days"; both in milliseconds since 1970.
export function relativeTime(time, now) {
  const seconds = (time - now) / 1000;
  const [unit, length] = Object.entries(SECONDS).find(([, span]) => Math.abs(seconds) >= span) ?? ["second", 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(Math.round(seconds / length), unit);
}

function describe(event) {
  const time = event.target.closest?.("#rows .c-time")?.querySelector("time");
  if (time) time.title = relativeTime(Date.parse(time.dateTime), Date.now());
}

export function startRelativeTime() {
  document.addEventListener("pointerover", describe);
  document.addEventListener("focusin", describe);
}
