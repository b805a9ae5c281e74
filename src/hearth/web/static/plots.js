// Plots: figures with data-plot hold what is to be drawn, as JSON. Colours are the page's own, in both themes; what a
// plot shows stands in its caption as well, so nothing is lost without scripts.
// {"x": [seconds since 1970], "series": [{"label", "values", "color": "ember"}], "unit": "s", "bars": true, "days": true}
const charts = new Map();
const HALF_DAY = 43200;
const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400];

// Values without a neighbour make no line: they are drawn as points.
function alone(plot, index) {
  const { data } = plot;
  const values = data[index];
  const there = (at) => values[at] !== null && values[at] !== undefined;
  return values.flatMap((_, at) => (there(at) && !there(at - 1) && !there(at + 1) ? [at] : []));
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function resolved(name) {
  // light-dark() in a custom property is only worked out where it is used.
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

const UNITS = {
  s: (v) => (v === 0 ? "0" : v < 1 ? `${Math.round(v * 1000)} ms` : v < 60 ? `${+v.toFixed(1)} s` : v < 3600 ? `${+(v / 60).toFixed(1)} min` : `${+(v / 3600).toFixed(1)} h`),
  bytes: (v) => {
    for (const unit of ["B", "kB", "MB", "GB"]) {
      if (v < 1000) return `${+v.toFixed(v < 10 ? 1 : 0)} ${unit}`;
      v /= 1000;
    }
    return `${+v.toFixed(1)} TB`;
  },
  percent: (v) => `${+v.toFixed(1)} %`,
  cost: (v) => (v === 0 ? "0" : v < 0.01 ? v.toFixed(4) : v.toFixed(2)),
  count: (v) => (Math.abs(v) >= 10000 ? `${+(v / 1000).toFixed(1)}K` : `${+v.toFixed(2)}`),
};

function draw(box) {
  const plot = JSON.parse(box.dataset.plot);
  charts.get(box)?.destroy();
  box.replaceChildren();
  const none = plot.series.every((s) => s.values.every((v) => v === null || v === 0));
  const measured = plot.series.some((s) => s.values.some((v) => v !== null));
  const show = UNITS[plot.unit] || UNITS.count;
  const grid = { stroke: resolved("line"), width: 1 };
  const axis = { stroke: resolved("soft"), grid, ticks: grid, font: `12px ${css("--text") || "sans-serif"}` };
  const date = (at) => new Date(at * 1000);
  const time = plot.days
    ? (at) => date(at).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" })
    : (at) => date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const series = plot.series.map((s, index) => {
    const color = resolved(s.color || "ember");
    return {
      label: s.label,
      stroke: color,
      width: plot.bars ? 0 : 1.6,
      fill: plot.bars ? color : index === 0 && plot.series.length === 1 ? color.replace("rgb(", "rgba(").replace(")", ", .12)") : undefined,
      points: plot.bars ? { show: false } : { show: true, size: 5, width: 0, fill: color, filter: alone },
      paths: plot.bars ? uPlot.paths.bars({ size: [0.7, 60], radius: 0.15 }) : undefined,
      spanGaps: false,
      value: (_, v) => (v === null || v === undefined ? "–" : show(v)),
    };
  });
  const options = {
    width: box.clientWidth,
    height: box.clientHeight - 28,
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: !plot.bars, y: false } },
    scales: { x: plot.days ? { time: false, range: (_, low, high) => [low - HALF_DAY, high + HALF_DAY] } : {}, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 30, values: (_, ticks) => ticks.map(time) },
      { ...axis, size: 60, space: 34, incrs: plot.unit === "s" ? SECONDS : undefined, values: (_, ticks) => ticks.map(show) },
    ],
    series: [{ label: plot.days ? "Day" : "Time", value: (_, at) => (at === null ? "–" : time(at)) }, ...series],
  };
  charts.set(box, new uPlot(options, [plot.x, ...plot.series.map((s) => s.values)], box));
  if (none) {
    const text = document.createElement("p");
    text.className = "plot-none";
    text.textContent = measured && !plot.days ? "None" : "Nothing yet";
    box.append(text);
  }
}

function all() {
  for (const [box, chart] of charts) {
    if (!box.isConnected) {
      chart.destroy();
      charts.delete(box);
    }
  }
  for (const box of document.querySelectorAll("[data-plot]")) if (box.clientWidth) draw(box);
}

let waiting = 0;
new ResizeObserver(() => {
  clearTimeout(waiting);
  waiting = setTimeout(all, 120);
}).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
new MutationObserver(all).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
document.addEventListener("htmx:afterSwap", all);
