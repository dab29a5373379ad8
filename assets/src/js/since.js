// <time data-since="2026-11-21T06:00:00Z">: how long ago that is, running. The server's own words stand there until then.
const two = (n) => String(n).padStart(2, "0");

function words(seconds) {
  const days = Math.floor(seconds / 86400);
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return days > 0 ? `${days} d ${clock}` : clock;
}

export function startSince() {
  const running = [...document.querySelectorAll("[data-since]")].map((element) => [element, Date.parse(element.dataset.since)]);
  if (running.length === 0) return;
  const tick = () => {
    for (const [element, since] of running) element.textContent = words(Math.max(0, Math.floor((Date.now() - since) / 1000)));
  };
  tick();
  setInterval(tick, 1000);
}
