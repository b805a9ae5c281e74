// A new batch: what would run, and which rows are wrong, while the form is filled. Nothing is run by it, and of files
// only the names are sent.
const SMALL = 256 * 1024;
const form = document.getElementById("batch");
const box = document.getElementById("check");
const rows = document.getElementById("rows");
const file = document.getElementById("table");
let asked = 0;
let timer = null;

async function check() {
  if (file.files.length) return; // a large one: it is checked when the button says so
  const data = new FormData();
  for (const [name, value] of new FormData(form)) {
    if (!(value instanceof File)) data.append(name, value);
    else if (value.name) data.append(name.replace(/^file\./, "chosen."), value.name);
  }
  const mine = ++asked;
  const answer = await fetch(box.dataset.check, {
    method: "POST", body: data, headers: { "HX-Request": "true", Accept: "text/html" },
  });
  const text = await answer.text();
  if (answer.ok && mine === asked) box.innerHTML = text;
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(check, 350);
});

// A small file becomes text in the page, where it can be looked at and changed.
file.addEventListener("change", async () => {
  const [chosen] = file.files;
  if (!chosen || chosen.size > SMALL) return;
  rows.value = await chosen.text();
  file.value = "";
  check();
});

if (rows.value.trim() && !box.querySelector(".run-error, table")) check();
