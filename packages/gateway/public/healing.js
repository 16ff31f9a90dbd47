/** What is broken now, and what the healer is doing about it. */
import { api } from "./api.js";
import { byId, el, formatAge, keyed, setText } from "./dom.js";

/** Colours of other states of the page. */
const LOOKS = {
  open: "degraded",
  mending: "degraded",
  verifying: "degraded",
  "given-up": "failing",
};

const MODE_WORDS = {
  acting: "mends what breaks",
  "dry-run": "only says what it would do",
  paused: "paused",
};

/** Fetches and shows it. Where healing is switched off, the panel stays away. */
export async function refreshHealing() {
  const status = await api("/api/healing").catch((error) => {
    if (error.code !== "MESH_NOT_FOUND") throw error;
    return undefined;
  });
  byId("healing-panel").hidden = status === undefined;
  if (status === undefined) return;
  const { open, mode, verdict, monitors } = status;
  setText(byId("healing-mode"), MODE_WORDS[mode] ?? mode);
  byId("healing-mode").dataset.state = mode === "acting" ? "ok" : "degraded";
  byId("healing-table").hidden = open.length === 0;
  // What is open and leaves all well is a note.
  byId("healing-empty").hidden = verdict === "ill";
  const blind = monitors.filter((monitor) => monitor.verdict === "unknown").map(({ name }) => name);
  const note = blind.length === 0 ? "" : `Not known, since they cannot see: ${blind.join(", ")}.`;
  setText(
    byId("healing-well"),
    verdict === "well" ? "Nothing is wrong." : "Nothing is known to be wrong.",
  );
  setText(byId("healing-blind"), note);
  keyed(byId("healing-rows"), open, ({ id }) => id, makeIncident);
}

function makeIncident({ id }) {
  const href = `/api/healing/incidents/${encodeURIComponent(id)}/page`;
  const title = el("a", { href, target: "_blank", rel: "noopener" });
  const seenBy = el("div", { class: "quiet" });
  const state = el("span", { class: "state" });
  const since = el("td");
  const remedies = el("td", { class: "wide" });
  const element = el("tr", {}, el("td", {}, title, seenBy), el("td", {}, state), since, remedies);
  const update = (incident) => {
    setText(title, incident.title);
    setText(seenBy, `${incident.severity}, seen by ${incident.nodeName}`);
    const look = incident.severity === "info" ? undefined : LOOKS[incident.state];
    state.dataset.state = look ?? "unknown";
    setText(state, incident.state);
    setText(since, formatAge(incident.openedAtMs));
    setText(remedies, incident.remedies.join(", "));
  };
  return { element, update };
}
