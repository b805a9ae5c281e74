// The input side of a model's page: the form, the same input as JSON or code, files, and how a run is sent off.
import "./files.js";
import { toast } from "./toast.js";

const form = document.getElementById("playground");
const fields = document.getElementById("fields");
const code = document.getElementById("code");
const jsonEdited = () => code.querySelector("textarea.json")?.dataset.edited === "1";

// What a post would say, with the names of files in place of their contents: code shows no more of them.
function described() {
  const data = new FormData();
  for (const [name, value] of new FormData(form)) {
    if (!(value instanceof File)) data.append(name, value);
    else if (value.name) data.append(name.replace(/^file\./, "chosen."), value.name);
  }
  return data;
}

async function ask(view, data) {
  data.set("view", view);
  const answer = await fetch(form.dataset.viewUrl, {
    method: "POST", body: data, headers: { "HX-Request": "true", Accept: "text/html" },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(answer.status < 500 ? text : "That did not work.");
  return text;
}

async function show(view) {
  const from = form.dataset.view;
  if (view === from) return;
  const data = described();
  try {
    if (view === "form") {
      if (jsonEdited()) {
        fields.innerHTML = await ask(view, data);
        window.htmx?.process(fields);
      }
      code.replaceChildren();
    } else code.innerHTML = await ask(view, data);
  } catch (error) {
    toast(error.message, true);
    return;
  }
  form.dataset.view = view;
  fields.hidden = view !== "form";
  code.hidden = view === "form";
  for (const button of form.querySelectorAll("[data-view-button]")) {
    button.setAttribute("aria-pressed", String(button.value === view));
  }
  document.dispatchEvent(new CustomEvent("fields", { detail: fields }));
}

// Without scripts the switches submit the form. With them they are plain buttons, or htmx would take the one that was
// pressed last for the sender of the next run.
for (const button of form?.querySelectorAll("[data-view-button]") ?? []) {
  button.type = "button";
  button.removeAttribute("formaction");
  button.removeAttribute("name");
  button.addEventListener("click", () => show(button.value));
}

// A button that leaves with what the form holds: not a run of htmx, but a page of its own.
for (const button of form?.querySelectorAll("[data-leave]") ?? []) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    form.action = button.formAction;
    HTMLFormElement.prototype.submit.call(form);
  });
}

// Sliders and their numbers follow each other; JSON says at once when it is none.
document.addEventListener("input", (event) => {
  const { target } = event;
  if (target.dataset.slider) document.getElementById(target.dataset.slider).value = target.value;
  else {
    const slider = target.id && document.querySelector(`[data-slider="${CSS.escape(target.id)}"]`);
    if (slider && target.value !== "") slider.value = target.value;
  }
  if (target.matches("textarea.json")) target.dataset.edited = "1";
  if (target.matches("[data-json]")) checkJson(target);
});

function checkJson(area) {
  const error = document.getElementById(`${area.id}-error`);
  let said = "";
  try {
    if (area.value.trim()) JSON.parse(area.value);
  } catch (problem) {
    said = `This is not JSON: ${problem.message}`;
  }
  area.setAttribute("aria-invalid", String(Boolean(said)));
  if (error) error.textContent = said;
}

// Ctrl+Enter runs, wherever somebody types.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const button = document.getElementById("run-button");
  if (!button || button.disabled) return;
  event.preventDefault();
  button.form.requestSubmit(button);
});
if (navigator.platform.startsWith("Mac")) {
  for (const key of document.querySelectorAll("[data-mac]")) key.textContent = key.dataset.mac;
}

// A run in code view sends what the form holds, not the code; errors go away when it is sent off.
form?.addEventListener("htmx:configRequest", () => {
  for (const error of form.querySelectorAll(".error")) error.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  document.getElementById("form-errors").replaceChildren();
});
form?.addEventListener("htmx:xhr:progress", (event) => {
  const { loaded, total } = event.detail;
  const bar = form.querySelector(".uploading");
  bar.hidden = !total || total < 500000 || loaded >= total;
  bar.querySelector("progress").value = total ? (100 * loaded) / total : 0;
});
form?.addEventListener("htmx:afterRequest", () => {
  form.querySelector(".uploading").hidden = true;
  for (const error of form.querySelectorAll(".field .error:not(:empty)")) {
    document.getElementById(error.id.replace(/-error$/, ""))?.setAttribute("aria-invalid", "true");
  }
  const first = form.querySelector(".error:not(:empty), .form-error");
  if (first && form.dataset.view === "form") {
    document.getElementById(first.id.replace(/-error$/, ""))?.focus({ preventScroll: true });
    first.scrollIntoView({ block: "center", behavior: "smooth" });
  } else if (!first && matchMedia("(max-width: 62rem)").matches) {
    document.getElementById("run")?.scrollIntoView({ block: "start", behavior: "smooth" });
  }
});
