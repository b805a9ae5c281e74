// Forms with data-confirm ask what their field `ask` says before they are sent. Without scripts the server asks.
let asked = null;

function dialog() {
  let box = document.getElementById("confirm");
  if (box) return box;
  box = document.createElement("dialog");
  box.id = "confirm";
  box.setAttribute("aria-labelledby", "confirm-text");
  const text = document.createElement("p");
  text.id = "confirm-text";
  const row = document.createElement("div");
  row.className = "form-end";
  const yes = document.createElement("button");
  const no = document.createElement("button");
  yes.className = "button primary";
  no.className = "button";
  no.dataset.close = "";
  no.textContent = "Cancel";
  yes.addEventListener("click", () => {
    const { form, submitter } = asked;
    box.close();
    form.dataset.confirmed = "yes";
    form.elements.ask.disabled = true;
    form.requestSubmit(submitter ?? undefined);
    delete form.dataset.confirmed;
  });
  row.append(yes, no);
  box.append(text, row);
  document.body.append(box);
  return box;
}

// Captured before htmx and everybody else hears of it.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!("confirm" in form.dataset) || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    asked = { form, submitter: event.submitter };
    const box = dialog();
    box.querySelector("p").textContent = form.elements.ask.value;
    const yes = box.querySelector("button");
    yes.textContent = event.submitter?.textContent.trim() || "Go on";
    yes.classList.toggle("danger", Boolean(event.submitter?.classList.contains("danger")));
    box.showModal();
    box.querySelector("[data-close]").focus();
  },
  true,
);
