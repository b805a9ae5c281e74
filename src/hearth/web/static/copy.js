// Buttons with data-copy copy the code beside them, or the text in data-copy itself.
import { copy } from "./clipboard.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const box = button.closest("[data-copy-from]");
  const text = button.dataset.copy || box?.querySelector("pre, textarea, input")?.textContent || "";
  if (!(await copy(text))) return; // nothing was promised
  button.classList.add("done");
  const label = button.getAttribute("aria-label");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("done");
    if (label) button.setAttribute("aria-label", label);
    else button.removeAttribute("aria-label");
  }, 1500);
});
