// What came out: pictures enlarge, text turns into Markdown and back, and can be copied.
import { copy } from "./clipboard.js";
import { toast } from "./toast.js";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-zoom]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const all = [...(link.closest(".pieces") ?? link.parentElement).querySelectorAll("a[data-zoom]")];
  lightbox(all.map((each) => each.href), all.indexOf(link));
});

function lightbox(urls, at) {
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.setAttribute("aria-label", "Picture");
  dialog.innerHTML = '<img alt=""><div class="row"><span class="row"><button class="button small" data-step="-1" aria-label="Previous">←</button><button class="button small" data-step="1" aria-label="Next">→</button></span><button class="button small" data-close>Close</button></div>';
  const step = (by) => {
    at = (at + by + urls.length) % urls.length;
    dialog.querySelector("img").src = urls[at];
  };
  dialog.querySelector(".row .row").hidden = urls.length < 2;
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (button) step(Number(button.dataset.step));
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  step(0);
  dialog.showModal();
}

// Text as Markdown, or as it is: whoever chooses is remembered to have chosen so.
const KEY = "hearth.markdown";
export const asMarkdown = () => localStorage.getItem(KEY) === "1";

export function dress() {
  const on = asMarkdown();
  for (const box of document.querySelectorAll(".text-output")) box.dataset.view = on ? "markdown" : "plain";
  for (const button of document.querySelectorAll("[data-markdown]")) button.setAttribute("aria-pressed", String(on));
}

document.addEventListener("click", async (event) => {
  const run = event.target.closest(".run");
  if (run && event.target.closest("[data-markdown]")) {
    localStorage.setItem(KEY, asMarkdown() ? "0" : "1");
    dress();
    document.dispatchEvent(new CustomEvent("markdown"));
  }
  if (run && event.target.closest("[data-copy-output]")) {
    const from = event.target.closest("[data-copy-output]").dataset.copyOutput;
    const text = from ? fetch(from).then((answer) => (answer.ok ? answer.text() : Promise.reject(answer))) : run.querySelector('[data-part="text"]')?.textContent ?? "";
    const done = await copy(text).catch(() => false);
    toast(done ? "Copied." : "That could not be copied.", !done);
  }
});
document.addEventListener("htmx:afterSettle", dress);
dress();

// Sharing puts the link into the clipboard as well.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-share]");
  if (!form || form.querySelector("[name=shared]").value !== "yes") return;
  if (await copy(form.dataset.share)) toast("The link is in your clipboard."); // else it stands under the buttons
});
