// The search box: `/` or Ctrl+K focuses it, arrows walk through what was found, Escape leaves it.
const input = document.getElementById("find");
const list = document.getElementById("found");

const typing = (element) => element?.matches?.("input, textarea, select, [contenteditable]");
const options = () => [...list.querySelectorAll("a")];

document.addEventListener("keydown", (event) => {
  const slash = event.key === "/" && !typing(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey;
  const k = event.key === "k" && (event.ctrlKey || event.metaKey);
  if (!slash && !k) return;
  event.preventDefault();
  input.focus();
  input.select();
});

function choose(next) {
  for (const option of options()) option.setAttribute("aria-selected", String(option === next));
  if (next) {
    input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

input?.addEventListener("keydown", (event) => {
  const all = options();
  const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "Escape") {
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.blur();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && all.length) {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(at < 0 && step < 0 ? all.at(-1) : all[at + step] ?? null);
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    all[at].click();
  }
});

list?.addEventListener("htmx:afterSwap", () => {
  input.setAttribute("aria-expanded", String(options().length > 0));
  choose(null);
});
