// Copies text, or a promise of one. Where the page has no clipboard (plain http) the old way still works.
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      if (typeof text === "string") await navigator.clipboard.writeText(text);
      else await navigator.clipboard.write([new ClipboardItem({ "text/plain": text.then((t) => new Blob([t], { type: "text/plain" })) })]);
      return true;
    } catch {
      // refused: the old way may do
    }
  }
  const area = document.createElement("textarea");
  const before = document.activeElement;
  area.value = await text;
  area.className = "hidden";
  (before?.closest?.("dialog") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus?.({ preventScroll: true });
  return done;
}
