// Sentences that come and go. Errors of htmx requests are shown so, too.
const LONG = 6000;

export function toast(text, bad = false) {
  const box = document.getElementById("toasts");
  const line = document.createElement("p");
  line.className = bad ? "toast bad" : "toast";
  line.textContent = text;
  box.append(line);
  setTimeout(() => line.remove(), LONG);
}

for (const line of document.querySelectorAll("#toasts .toast")) setTimeout(() => line.remove(), LONG);

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const plain = (xhr.getResponseHeader("content-type") || "").startsWith("text/plain");
  toast(plain && xhr.responseText ? xhr.responseText : "That did not work. Try again in a moment.", true);
});
document.addEventListener("htmx:sendError", () => toast("The server cannot be reached.", true));
document.addEventListener("toast", (event) => toast(event.detail?.value ?? String(event.detail)));
