// Predictions that go on: one event stream for all of them on the page. The server sends fragments of the page, and
// this puts them where they belong. A stream that breaks is taken up again after the last event that was seen.
import { asMarkdown, dress } from "./output.js";

const RETRY = 1000;
const MOST = 300;
const LOGS = 200000;
let source = null;
let following = "";
let retry = 0;

const panels = () => [...document.querySelectorAll("[data-live]")];
const part = (panel, name) => panel.querySelector(`[data-part="${name}"]`);
const near = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 48;

function clocks() {
  for (const clock of document.querySelectorAll("[data-since]")) {
    const passed = Math.max(Date.now() / 1000 - Number(clock.dataset.since), 0);
    const whole = Math.floor(passed);
    clock.textContent = passed < 60 ? `${passed.toFixed(1)} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
}

const HANDLERS = {
  status(panel, html) {
    part(panel, "status").innerHTML = html;
    clocks();
  },
  text(panel, text) {
    const box = part(panel, "text");
    const output = part(panel, "output");
    const follow = near(output);
    box.append(box.firstChild ? text : text.trimStart());
    waited(panel);
    if (follow) output.scrollTop = output.scrollHeight;
  },
  html(panel, html) {
    const output = part(panel, "output");
    const follow = near(output);
    part(panel, "html").innerHTML = html;
    if (follow) output.scrollTop = output.scrollHeight;
  },
  piece(panel, html) {
    const box = part(panel, "pieces");
    waited(panel);
    if (box.childElementCount >= MOST) return; // the whole panel comes at the end
    box.insertAdjacentHTML("beforeend", html);
    if (box.querySelectorAll(".piece.image").length > 1) box.classList.add("gallery");
  },
  log(panel, text) {
    const logs = part(panel, "logs");
    const box = logs.querySelector("pre");
    const follow = near(box);
    if (logs.hidden) logs.open = true;
    logs.hidden = false;
    box.textContent = readable(box.textContent + text).slice(-LOGS);
    if (follow) box.scrollTop = box.scrollHeight;
  },
  done(panel, html) {
    const opened = part(panel, "logs")?.open;
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    const fresh = holder.content.firstElementChild;
    panel.replaceWith(fresh);
    if (opened) part(fresh, "logs").open = true;
    dress();
    window.htmx?.process(fresh);
    fresh.dispatchEvent(new CustomEvent("ended", { bubbles: true }));
    follow();
  },
};

const waited = (panel) => panel.querySelector(".waiting-lines")?.remove();

// What follows a carriage return replaces its line, as in a terminal.
function readable(text) {
  if (!text.includes("\r")) return text;
  return text.split("\n").map((line) => {
    const parts = line.split("\r");
    return parts.findLast((each) => each) ?? "";
  }).join("\n");
}

function heard(event) {
  const { p, seq, v } = JSON.parse(event.data);
  for (const panel of panels()) {
    if (panel.dataset.live !== p) continue;
    if (seq !== null) panel.dataset.seen = seq;
    HANDLERS[event.type](panel, v);
  }
}

function follow() {
  const ids = [...new Set(panels().map((panel) => panel.dataset.live))].sort().join(" ");
  if (ids === following && (source || !ids)) return;
  source?.close();
  source = null;
  following = ids;
  if (!ids) return;
  const query = new URLSearchParams();
  const seen = new Map(panels().map((panel) => [panel.dataset.live, panel.dataset.seen]));
  for (const [id, seq] of seen) query.append("p", `${id}:${seq}`);
  if (asMarkdown()) query.set("md", "1");
  source = new EventSource(`/live?${query}`);
  for (const type of Object.keys(HANDLERS)) source.addEventListener(type, heard);
  source.onopen = () => { retry = 0; };
  source.onerror = () => {
    source?.close();
    source = null;
    following = "";
    setTimeout(follow, Math.min(RETRY * 2 ** retry++, 15000));
  };
}

document.addEventListener("htmx:afterSettle", follow);
document.addEventListener("markdown", () => {
  following = "";
  follow();
});
setInterval(clocks, 100);
clocks();
follow();
