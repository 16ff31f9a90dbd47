/**
 * The first page: asks for the status every two seconds and shows it. When the node does not
 * answer, it says so, keeps what it last knew visibly aside, and tries again less and less often.
 */
import { ApiError, api } from "./api.js";
import { byId, capital, formatTime, setText } from "./dom.js";
import { refreshFiles, startFiles } from "./files.js";
import { refreshHealing, startHealing } from "./healing.js";
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
let isAsking = false;
let asOfMs;
let timer;

async function refresh() {
  // Whoever asks twice, such as somebody who comes back to the page, gets one answer.
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    const [status, healing] = await Promise.all([
      api("/api/status"),
      refreshHealing(),
      refreshMesh(),
    ]);
    showStatus(status, healing);
    showNodes(status);
    if (rounds++ % SLOW_EVERY === 0 || failures > 0) {
      await Promise.all([refreshFiles(true), refreshInvites()]);
    }
    connected();
  } catch (error) {
    lost(error);
  }
  isAsking = false;
}

/** A page in the background rests; it catches up as soon as somebody looks. */
function again(delayMs) {
  if (!document.hidden) timer = setTimeout(refresh, delayMs);
}

function connected() {
  failures = 0;
  asOfMs = Date.now();
  document.body.dataset.connection = "open";
  byId("connection").hidden = true;
  again(REFRESH_MS);
}

function lost(error) {
  const delayMs = Math.min(RETRY_MS_MAX, REFRESH_MS * 2 ** failures++);
  document.body.dataset.connection = "lost";
  showHealthUnknown();
  byId("connection").hidden = false;
  if (asOfMs === undefined) setText(byId("member"), "Not connected");
  const asOf = asOfMs === undefined ? "" : ` What you see below is of ${formatTime(asOfMs)}.`;
  const text = `${capital(whatWentWrong(error))}.${asOf} Trying again in ${delayMs / 1000} s.`;
  setText(byId("connection-text"), text);
  again(delayMs);
}

function whatWentWrong(error) {
  if (!(error instanceof ApiError)) return `this page has a fault: ${error.message}`;
  if (error.status === 0) return "the node does not answer";
  return error.code ? error.message : `the node answered with HTTP ${error.status}`;
}

function startTheme() {
  const root = document.documentElement;
  const kept = keptTheme();
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  byId("theme").addEventListener("click", () => {
    const isDark =
      root.dataset.theme === "dark" ||
      (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    keepTheme(root.dataset.theme);
  });
}

/** A browser may be told to keep nothing: then it throws. */
function keptTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

function keepTheme(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // It holds until the page is closed.
  }
}

startTheme();
startHealing();
startInvites();
startFiles();
byId("connection-retry").addEventListener("click", () => void refresh());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else void refresh();
});
void refresh();
