/**
 * Uploads: one after the other, each with its progress. `fetch` cannot tell it, so XMLHttpRequest.
 */
import { contentAddress, parse } from "./api.js";
import { bar, byId, confirmed, el, formatBytes, setText, toast } from "./dom.js";

const waiting = [];
let busy = false;

/** Puts files in line for a folder; `done` is called after each. */
export function addUploads(folder, files, done) {
  for (const file of files) waiting.push(makeUpload(folder, file, done));
  if (!busy) void runAll();
}

async function runAll() {
  busy = true;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
  busy = false;
}

function makeUpload(folder, file, done) {
  const row = makeRow(file, () => request?.abort());
  let request;
  const attempt = (replace) =>
    send(`${folder === "/" ? "" : folder}/${file.name}`, file, replace, row, (made) => {
      request = made;
    });
  return async () => {
    if (row.cancelled()) return row.end("cancelled");
    let result = await attempt(false);
    if (result.code === "MESH_PATH_CHANGED") {
      const kept = { ok: false, text: "a file with this name is here already" };
      result = (await mayReplace(file)) ? await attempt(true) : kept;
    }
    if (result.ok) {
      row.element.remove();
      toast(`${file.name} is safe`);
    } else row.end(result.text);
    done();
  };
}

const mayReplace = (file) =>
  confirmed(`Replace ${file.name}?`, "A file with this name is here already.", "Replace it");

/** A new file must not exist yet: nobody's file is overwritten without a question. */
function send(path, file, replace, row, onRequest) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    onRequest(request);
    request.open("PUT", contentAddress(path));
    if (!replace) request.setRequestHeader("if-none-match", "*");
    request.upload.onprogress = ({ loaded, total }) => row.progress(loaded, total);
    request.onload = () => {
      const problem = parse(request.responseText);
      const text = [problem.detail, problem.hint].filter(Boolean).join(". ");
      resolve({ ok: request.status < 300, code: problem.code, text });
    };
    request.onerror = () => resolve({ ok: false, text: "the connection was lost" });
    request.onabort = () => resolve({ ok: false, text: "cancelled" });
    request.send(file);
  });
}

function makeRow(file, onCancel) {
  let cancelled = false;
  const progress = bar();
  const note = el("span", { class: "note quiet" }, `${formatBytes(file.size)}, waiting`);
  const button = el("button", { type: "button" }, "Cancel");
  const name = el("span", { class: "name", title: file.name }, file.name);
  const element = el("li", {}, name, progress.element, button, note);
  button.addEventListener("click", () => {
    cancelled = true;
    onCancel();
  });
  progress.set(0, "waiting");
  byId("uploads").append(element);
  return {
    element,
    cancelled: () => cancelled,
    progress(loaded, total) {
      const part = total === 0 ? 1 : loaded / total;
      progress.set(part, `${Math.round(part * 100)} % of ${file.name} sent`);
      const sent = `${formatBytes(loaded)} of ${formatBytes(total)}`;
      setText(note, loaded < total ? sent : "waiting until every copy is on disk");
    },
    end(text) {
      note.classList.replace("quiet", "error");
      setText(note, `Not uploaded: ${text}`);
      setText(button, "Close");
      button.addEventListener("click", () => element.remove());
    },
  };
}
