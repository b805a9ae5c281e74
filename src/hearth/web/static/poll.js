// Parts that load themselves again wait while somebody is at them: reads on with the keyboard, has text selected,
// answers a dialog, or looks at another window.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (!part.getAttribute("hx-trigger")?.startsWith("every ")) return;
  const selection = getSelection();
  const reads = part.contains(document.activeElement) && document.activeElement.matches(":focus-visible");
  const selects = !selection.isCollapsed && part.contains(selection.anchorNode);
  if (document.hidden || reads || selects || document.querySelector("dialog[open]")) event.preventDefault();
});
