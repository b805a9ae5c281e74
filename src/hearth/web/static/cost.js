// What a deployment costs, while its bounds are chosen: seconds' prices as an hour and as a month of thirty days.
function shown(price) {
  if (!price) return "nothing";
  const text = (value) => (value < 0.01 ? value.toFixed(4) : value.toFixed(2));
  return `${text(price * 3600)} an hour · ${text(price * 86400 * 30)} a month`;
}

function refresh() {
  for (const box of document.querySelectorAll("[data-cost]")) {
    const form = box.closest("form");
    const price = Number(form.querySelector("[data-hardware]")?.selectedOptions[0]?.dataset.price || 0);
    const least = Number(form.querySelector("[data-min]")?.value || 0);
    const most = Number(form.querySelector("[data-max]")?.value || 0);
    box.querySelector("[data-cost-min]").textContent = shown(price * least);
    box.querySelector("[data-cost-max]").textContent = shown(price * Math.max(most, least));
  }
}

document.addEventListener("input", refresh);
document.addEventListener("htmx:afterSwap", refresh);
refresh();
