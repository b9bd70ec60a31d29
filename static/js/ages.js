// Writes how old market times are, by the market clock of the bar. The server sends the time of day: so what it sends
// stays the same while it ages, and is not sent again.
(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const words = (seconds) => {
    if (seconds < 1) return "now";
    const [size, unit] = UNITS.find(([size]) => seconds >= size);
    return `${Math.floor(seconds / size)}\u00a0${unit} ago`;
  };
  const write = () => {
    const clock = document.querySelector("time.clock");
    if (!clock) return;
    const now = Date.parse(clock.dateTime);
    for (const time of document.querySelectorAll("time.aged")) {
      const text = words((now - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };
  document.addEventListener("htmx:wsAfterMessage", write);
  document.addEventListener("htmx:afterRequest", write);
  document.addEventListener("fragments:shown", write);
  write();
})();
