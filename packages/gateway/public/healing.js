/** What is broken now, what was lately, and what the healer is doing about it. */
import { api } from "./api.js";
import { byId, el, formatAge, formatLasted, formatTime, plural, setText, showList } from "./dom.js";

/** As words, and in the colours of other states of the page. */
const STATES = {
  open: ["open", "degraded"],
  mending: ["being mended", "degraded"],
  verifying: ["being checked", "degraded"],
  "given-up": ["not mended", "failing"],
  mended: ["mended", "ok"],
  passed: ["gone by itself", "ok"],
  ended: ["ended", "unknown"],
};

const MODE_WORDS = {
  acting: "mends what breaks",
  "dry-run": "only says what it would do",
  paused: "paused",
};

/** Incidents that are over: so many at first, and when more are asked for. */
const ENDED_SHOWN = 5;
const INCIDENTS_MAX = 100;
let shown = ENDED_SHOWN;

export function startHealing() {
  byId("healing-more").addEventListener("click", () => {
    shown = INCIDENTS_MAX;
    void refreshHealing();
  });
}

/**
 * Fetches and shows it; gives back the verdict with what is open. Where healing is switched off,
 * that is undefined and the panel stays away.
 */
export async function refreshHealing() {
  const answers = await Promise.all([
    api("/api/healing"),
    api("/api/healing/incidents", { query: { limit: String(Math.max(20, shown)) } }),
  ]).catch((error) => {
    if (error.code !== "MESH_NOT_FOUND") throw error;
    return undefined;
  });
  byId("healing-panel").hidden = answers === undefined;
  if (answers === undefined) return undefined;
  const [status, history] = answers;
  showMode(status);
  // The leading node hears of those of others too, in its history alone.
  const others = history.incidents.filter(
    (one) => one.closedAtMs === null && !status.open.some(({ id }) => id === one.id),
  );
  showVerdict(status, others);
  const ended = history.incidents.filter(({ closedAtMs }) => closedAtMs !== null);
  const rows = [...status.open, ...others, ...ended.slice(0, shown)];
  showList("healing", rows, ({ id }) => id, makeIncident);
  const isAll = shown === INCIDENTS_MAX;
  byId("healing-more").hidden = isAll || (ended.length <= shown && !history.more);
  byId("healing-rest").hidden = !isAll || !history.more;
  const worse = others.filter(({ severity }) => severity !== "info");
  const verdict = worse.length > 0 ? "ill" : status.verdict;
  return { verdict, open: [...status.open, ...worse] };
}

function showMode({ mode, pausedUntilMs }) {
  const until = mode === "paused" && pausedUntilMs ? ` until ${formatTime(pausedUntilMs)}` : "";
  setText(byId("healing-mode"), `${MODE_WORDS[mode] ?? mode}${until}`);
  byId("healing-mode").dataset.state = mode === "acting" ? "ok" : "degraded";
}

function showVerdict({ verdict, open, monitors, nodeName }, others) {
  const blind = monitors.filter((monitor) => monitor.verdict === "unknown");
  const words = {
    well: `${nodeName} sees nothing wrong.`,
    ill: `${nodeName} sees what is wrong: ${plural(open.length, "incident")} open.`,
    unknown: `${nodeName} does not know whether all is well.`,
  };
  const more =
    others.length === 0 ? "" : ` Other nodes: ${plural(others.length, "incident")} open.`;
  const reasons = blind.map(({ name, reason }) => (reason ? `${name} (${reason})` : name));
  const note = reasons.length === 0 ? "" : ` Cannot see now: ${reasons.join(", ")}.`;
  setText(byId("healing-verdict"), `${words[verdict] ?? verdict}${more}${note}`);
}

function makeIncident({ id, openedAtMs }) {
  // Its times are those of this browser, as everywhere on this page.
  const offset = -new Date(openedAtMs).getTimezoneOffset();
  const href = `/api/healing/incidents/${encodeURIComponent(id)}/page?offsetMinutes=${offset}`;
  const title = el("a", { href, target: "_blank", rel: "noopener" });
  const seenBy = el("div", { class: "quiet" });
  const state = el("span", { class: "state" });
  const remedies = el("div", { class: "quiet" });
  const age = el("span");
  const began = el("div", { class: "quiet" }, formatTime(openedAtMs));
  const lasted = el("td", { class: "wide" });
  const element = el(
    "tr",
    {},
    el("td", {}, title, seenBy),
    el("td", {}, state, remedies),
    el("td", {}, age, began),
    lasted,
  );
  const update = (incident) => {
    const [word, look] = STATES[incident.state] ?? [incident.state, "unknown"];
    setText(title, incident.title);
    setText(seenBy, `${incident.severity}, seen by ${incident.nodeName}`);
    const isNote = incident.severity === "info" && look !== "ok";
    state.dataset.state = isNote ? "unknown" : look;
    setText(state, incident.dryRun ? `${word} (dry run)` : word);
    setText(remedies, [...new Set(incident.remedies)].join(", "));
    setText(age, formatAge(incident.openedAtMs));
    setText(lasted, formatLasted((incident.closedAtMs ?? Date.now()) - incident.openedAtMs));
  };
  return { element, update };
}
