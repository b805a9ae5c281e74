// Keeps "3 minutes ago" true, and gives each time a title in the reader's own clock.
const STEPS = [[60, 1, "second"], [3600, 60, "minute"], [86400, 3600, "hour"], [2592000, 86400, "day"]];

function ago(date) {
  const passed = Math.max((Date.now() - date) / 1000, 0);
  if (passed < 10) return "just now";
  for (const [limit, unit, name] of STEPS) {
    if (passed < limit) {
      const count = Math.floor(passed / unit);
      return `${count} ${name}${count === 1 ? "" : "s"} ago`;
    }
  }
  return null;
}

function refresh() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const date = new Date(time.dateTime);
    const text = ago(date);
    if (text && text !== time.textContent) time.textContent = text;
    time.title = date.toLocaleString();
  }
}

refresh();
setInterval(refresh, 15000);
