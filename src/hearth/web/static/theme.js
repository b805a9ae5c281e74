// The toggle works without a page load; the cookie it sets makes the next page arrive in the right theme.
const form = document.querySelector("form.theme");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const theme = event.submitter?.value ?? "dark";
  document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new CustomEvent("theme", { detail: theme }));
  const body = new URLSearchParams(new FormData(form));
  body.set("theme", theme);
  fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
  form.querySelector(theme === "dark" ? ".theme-light" : ".theme-dark")?.focus();
});
