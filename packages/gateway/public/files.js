/** The file browser. */
import { api, contentAddress } from "./api.js";
import {
  asked,
  byId,
  confirmed,
  el,
  formatAge,
  formatBytes,
  formatTime,
  keyed,
  plural,
  setText,
  showError,
  toast,
} from "./dom.js";
import { addUploads } from "./uploads.js";

const PAGE_ENTRIES = 200;
const view = { folder: "/", entries: [], more: false, pages: 1 };

export function startFiles() {
  const input = byId("upload-input");
  byId("upload").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    upload(input.files);
    input.value = "";
  });
  byId("new-folder").addEventListener("click", () => void makeFolder());
  byId("files-more").addEventListener("click", () => {
    view.pages++;
    void refreshFiles();
  });
  startDrop(byId("drop"));
  window.addEventListener("hashchange", () => void openFromAddress());
  void openFromAddress();
}

/** The folder is in the address, so that the browser's own back button works. */
function openFromAddress() {
  view.folder = folderOf(location.hash.slice(1));
  view.pages = 1;
  view.entries = [];
  return refreshFiles();
}

/** Somebody may have typed it. */
function folderOf(hash) {
  try {
    const path = decodeURIComponent(hash);
    return path.startsWith("/") ? path : `/${path}`;
  } catch {
    return "/";
  }
}

const open = (path) => {
  location.hash = path === "/" ? "" : encodeURIComponent(path);
};
const childPath = (name) => `${view.folder === "/" ? "" : view.folder}/${name}`;

/** Fetches the folder again. `quietly`: a failure is shown by the banner already. */
export async function refreshFiles(quietly = false) {
  const { folder, pages } = view;
  try {
    const listed = await listPages(folder, pages);
    if (view.folder !== folder) return;
    Object.assign(view, listed);
    show();
  } catch (error) {
    if (error.code === "MESH_PATH_NOT_FOUND" && folder !== "/") open("/");
    else if (!quietly) showError(error);
  }
}

async function listPages(path, pages) {
  const entries = [];
  let more = true;
  for (let page = 0; more && page < pages; page++) {
    const after = entries.at(-1)?.name;
    const query = { path, limit: String(PAGE_ENTRIES), ...(after === undefined ? {} : { after }) };
    const answer = await api("/api/files/list", { query });
    entries.push(...answer.entries);
    more = answer.more;
  }
  return { entries, more };
}

function show() {
  const { entries, more, folder } = view;
  showCrumbs(folder);
  byId("files-table").hidden = entries.length === 0;
  byId("files-more").hidden = !more;
  showEmpty(entries.length === 0);
  const sorted = [...entries].sort(
    (a, b) =>
      (a.kind === b.kind ? 0 : a.kind === "directory" ? -1 : 1) || (a.name < b.name ? -1 : 1),
  );
  keyed(byId("files-rows"), sorted, (entry) => `${entry.kind} ${entry.path}`, makeRow);
}

function showCrumbs(folder) {
  const nav = byId("crumbs");
  if (nav.dataset.folder === folder) return;
  nav.dataset.folder = folder;
  const names = folder.split("/").filter((name) => name !== "");
  const steps = ["Home", ...names].map((name, index, all) => {
    if (index === all.length - 1) return el("span", { "aria-current": "page" }, name);
    const path = `/${names.slice(0, index).join("/")}`;
    return el("button", { type: "button", class: "link", onclick: () => open(path) }, name);
  });
  nav.replaceChildren(...steps.flatMap((step, index) => (index === 0 ? [step] : ["/", step])));
}

function showEmpty(isEmpty) {
  const box = byId("files-empty");
  box.hidden = !isEmpty;
  const isHome = view.folder === "/";
  const title = isHome ? "Nothing is kept here yet." : "This folder is empty.";
  const text = isHome
    ? "Make a folder such as “shared”, then drop files into it. " +
      "They are cut into chunks and copied to your machines."
    : "Drop files here, or use the buttons above.";
  box.replaceChildren(el("p", {}, el("strong", {}, title)), el("p", { class: "quiet" }, text));
}

function makeRow(entry) {
  const isFolder = entry.kind === "directory";
  const size = el("td", { class: "number" });
  const changed = el("td", { class: "wide" });
  const name = isFolder
    ? el(
        "button",
        { type: "button", class: "link", onclick: () => open(entry.path) },
        `${entry.name}/`,
      )
    : el("span", {}, entry.name);
  const remove = el("button", { type: "button", onclick: () => void removeEntry(entry) }, "Delete");
  remove.setAttribute("aria-label", `Delete ${entry.name}`);
  const actions = el("div", { class: "actions" }, ...(isFolder ? [] : [download(entry)]), remove);
  const element = el("tr", {}, el("td", {}, name), size, changed, el("td", {}, actions));
  const update = (now) => {
    setText(size, isFolder ? "–" : formatBytes(now.sizeBytes));
    setText(changed, formatAge(now.modifiedAtMs));
    changed.title = formatTime(now.modifiedAtMs);
  };
  return { element, update };
}

function download(entry) {
  const fetchIt = () => {
    const link = el("a", { href: contentAddress(entry.path, true), download: entry.name });
    document.body.append(link);
    link.click();
    link.remove();
  };
  const button = el("button", { type: "button", onclick: fetchIt }, "Download");
  button.setAttribute("aria-label", `Download ${entry.name}`);
  return button;
}

function upload(files) {
  addUploads(view.folder, files, () => void refreshFiles());
}

async function makeFolder() {
  const name = await asked("New folder", `Name of the folder in ${view.folder}`, "Make it");
  if (!name) return;
  try {
    await api("/api/files/mkdir", { method: "POST", body: { path: childPath(name) } });
    await refreshFiles();
  } catch (error) {
    showError(error);
  }
}

async function removeEntry(entry) {
  const isFolder = entry.kind === "directory";
  const yes = await confirmed(
    `Delete ${entry.name}?`,
    isFolder
      ? "The folder goes with everything in it. This cannot be undone."
      : "This cannot be undone.",
    isFolder ? "Delete the folder" : "Delete the file",
  );
  if (!yes) return;
  const query = { path: entry.path, recursive: String(isFolder) };
  try {
    const { removed } = await api("/api/files", { method: "DELETE", query, timeoutMs: 60_000 });
    toast(isFolder ? `${plural(removed, "item")} deleted` : `${entry.name} was deleted`);
    await refreshFiles();
  } catch (error) {
    showError(error);
  }
}

function startDrop(zone) {
  const isFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  zone.addEventListener("dragover", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    zone.dataset.over = "true";
  });
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, () => {
      zone.dataset.over = "false";
    });
  }
  zone.addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    upload(event.dataTransfer.files);
  });
}
