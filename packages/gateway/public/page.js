/**
 * The first page: asks for the status every two seconds and shows it. When the node does not
 * answer, it says so, keeps what it last knew visibly aside, and tries again less and less often.
 */
import { api } from "./api.js";
import { byId, setText } from "./dom.js";
import { refreshFiles, startFiles } from "./files.js";
import { refreshHealing } from "./healing.js";
import { refreshInvites, startInvites } from "./invites.js";
import { refreshMesh } from "./mesh.js";
import { showNodes } from "./nodes.js";
import { showHealthUnknown, showStatus } from "./overview.js";

const REFRESH_MS = 2_000;
const RETRY_MS_MAX = 30_000;
/** Files and invites change seldom: they are fetched with every so many statuses. */
const SLOW_EVERY = 5;

let failures = 0;
let rounds = 0;
let timer;

async function refresh() {
  clearTimeout(timer);
  try {
    const status = await api("/api/status");
    showStatus(status);
    showNodes(status);
    await Promise.all([refreshMesh(), refreshHealing()]);
    if (rounds++ % SLOW_EVERY === 0 || failures > 0) {
      await Promise.all([refreshFiles(true), refreshInvites()]);
    }
    connected();
  } catch (error) {
    lost(error);
  }
}

function connected() {
  failures = 0;
  document.body.dataset.connection = "open";
  byId("connection").hidden = true;
  timer = setTimeout(refresh, REFRESH_MS);
}

function lost(error) {
  const delayMs = Math.min(RETRY_MS_MAX, REFRESH_MS * 2 ** failures++);
  document.body.dataset.connection = "lost";
  showHealthUnknown();
  byId("connection").hidden = false;
  const what = error.status === 0 || !error.code ? "Connection lost" : error.message;
  const asOf = "What you see below is from before.";
  setText(byId("connection-text"), `${what}. ${asOf} Trying again in ${delayMs / 1000} s.`);
  timer = setTimeout(refresh, delayMs);
}

function startTheme() {
  const root = document.documentElement;
  const kept = localStorage.getItem("theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  byId("theme").addEventListener("click", () => {
    const isDark =
      root.dataset.theme === "dark" ||
      (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
}

startTheme();
startInvites();
startFiles();
byId("connection-retry").addEventListener("click", () => void refresh());
// A page in the background rests; it catches up as soon as somebody looks.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else void refresh();
});
void refresh();
