// File inputs: drop, preview, and capture by camera or microphone. What is chosen stands in the input element itself.
const shown = new WeakMap();

function put(input, files, add = false) {
  const data = new DataTransfer();
  if (add && input.multiple) for (const file of input.files) data.items.add(file);
  for (const file of files) if (input.multiple || !data.files.length) data.items.add(file);
  input.files = data.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function media(kind, source) {
  const group = kind.split("/")[0];
  if (!["image", "audio", "video"].includes(group)) return null;
  const element = document.createElement(group === "image" ? "img" : group);
  element.src = source;
  if (group === "image") element.alt = "";
  else element.controls = true;
  return element;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function preview(input) {
  const box = input.closest("[data-drop]").querySelector("[data-preview]");
  for (const url of shown.get(box) ?? []) URL.revokeObjectURL(url);
  const urls = [];
  box.replaceChildren(...[...input.files].map((file, at) => {
    const url = URL.createObjectURL(file);
    urls.push(url);
    const line = document.createElement("div");
    const picture = media(file.type, url);
    line.className = picture ? "chosen media" : "chosen";
    if (picture) line.append(picture);
    const name = document.createElement("span");
    name.textContent = `${file.name} · ${size(file.size)}`;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "icon-button";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.textContent = "✕";
    remove.addEventListener("click", () => put(input, [...input.files].filter((_, n) => n !== at)));
    line.append(name, remove);
    return line;
  }));
  shown.set(box, urls);
}

// Addresses get a preview, too, when they look like media.
const TYPES = { png: "image/", jpg: "image/", jpeg: "image/", webp: "image/", gif: "image/", svg: "image/", mp3: "audio/", wav: "audio/", ogg: "audio/", m4a: "audio/", mp4: "video/", webm: "video/" };

function previewUrl(field) {
  const box = field.closest("[data-field]")?.querySelector("[data-preview]");
  const input = field.closest("[data-field]")?.querySelector("input[type=file]");
  if (!box || input?.files.length) return;
  box.replaceChildren(...field.value.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, 12).flatMap((url) => {
    const type = url.startsWith("data:") ? url.slice(5) : TYPES[url.split(/[?#]/)[0].split(".").pop().toLowerCase()];
    if (!type || !/^(https?:|data:|\/)/.test(url)) return [];
    const picture = media(type, url);
    if (!picture) return [];
    const line = document.createElement("div");
    line.className = "chosen media";
    line.append(picture);
    return [line];
  }));
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-drop] input[type=file]")) preview(event.target);
  if (event.target.matches("[data-url]")) previewUrl(event.target);
});

for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    const area = event.target.closest?.("[data-drop]");
    if (!area) return;
    event.preventDefault();
    area.classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) put(area.querySelector("input[type=file]"), event.dataTransfer.files, true);
  });
}

document.addEventListener("paste", (event) => {
  const area = document.activeElement?.closest?.("[data-field]")?.querySelector("[data-drop] input[type=file]");
  if (area && event.clipboardData?.files.length) {
    event.preventDefault();
    put(area, event.clipboardData.files, true);
  }
});

const stamp = () => new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19);

async function picture(input) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true });
  const dialog = document.createElement("dialog");
  const video = document.createElement("video");
  const take = document.createElement("button");
  Object.assign(video, { srcObject: stream, autoplay: true, muted: true, playsInline: true });
  take.className = "button primary";
  take.textContent = "Take the picture";
  dialog.setAttribute("aria-label", "Camera");
  dialog.append(video, take);
  document.body.append(dialog);
  dialog.showModal();
  dialog.addEventListener("close", () => {
    for (const track of stream.getTracks()) track.stop();
    dialog.remove();
  });
  take.addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      put(input, [new File([blob], `picture-${stamp()}.png`, { type: "image/png" })], true);
      dialog.close();
    }, "image/png");
  });
}

async function sound(input, button) {
  if (button.recorder) {
    button.recorder.stop();
    return;
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  const chunks = [];
  button.recorder = recorder;
  button.classList.add("recording");
  button.setAttribute("aria-label", "Stop recording");
  recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
  recorder.addEventListener("stop", () => {
    for (const track of stream.getTracks()) track.stop();
    button.recorder = null;
    button.classList.remove("recording");
    button.setAttribute("aria-label", "Record sound");
    const type = recorder.mimeType.split(";")[0] || "audio/webm";
    put(input, [new File(chunks, `recording-${stamp()}.${type.split("/")[1]}`, { type })], true);
  });
  recorder.start();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-capture]");
  if (!button) return;
  const input = button.closest("[data-drop]").querySelector("input[type=file]");
  const { toast } = await import("./toast.js");
  if (!navigator.mediaDevices) {
    toast("Browsers give camera and microphone only to https pages.", true);
    return;
  }
  try {
    await (button.dataset.capture === "image" ? picture(input) : sound(input, button));
  } catch (problem) {
    toast(problem.name === "NotAllowedError" ? "The browser did not allow that." : "There is no such device here.", true);
  }
});

const look = () => { for (const field of document.querySelectorAll("[data-url]")) previewUrl(field); };
document.addEventListener("fields", look);
look();
