/** The head, what needs attention, and the four figures. */
import { byId, el, formatAge, formatBytes, plural, setText } from "./dom.js";

const HEALTH_WORDS = {
  ok: "All is well",
  degraded: "Needs attention",
  failing: "Not working",
  unknown: "Not known yet",
};

/** `healing`: verdict and open incidents of the healer; undefined where there is none. */
export function showStatus(status, healing) {
  setText(byId("member"), `${status.member.id} · ${status.node.name}`);
  document.title = `${status.member.id} · Hearthmesh`;
  showHealth(worseOf(status.health, healing));
  showFigures(status);
  const ends = formatAge(Date.parse(status.certificate.notAfter));
  setText(
    byId("footer"),
    `Version ${status.node.version} · ${status.member.trustDomain} · certificate ends ${ends}`,
  );
}

/** When the node does not answer, the last word about its health is no longer true. */
export function showHealthUnknown() {
  byId("health").dataset.state = "unknown";
  setText(byId("health"), "Not known");
  document.title = "Not known · Hearthmesh";
}

/** All is well only where the healer sees nothing wrong either, and sees everything. */
function worseOf(health, healing) {
  if (health.status !== "ok" || healing === undefined || healing.verdict === "well") return health;
  if (healing.verdict === "unknown") return { status: "unknown", reasons: health.reasons };
  const titles = healing.open.map(({ title }) => title);
  return { status: "degraded", reasons: [...health.reasons, ...titles] };
}

function showHealth({ status, reasons }) {
  byId("health").dataset.state = status;
  setText(byId("health"), HEALTH_WORDS[status] ?? status);
  const box = byId("reasons");
  box.hidden = reasons.length === 0;
  const text = reasons.join("\n");
  if (box.dataset.shown === text) return;
  box.dataset.shown = text;
  const items = reasons.map((reason) => el("li", {}, reason));
  box.replaceChildren(el("strong", {}, "What needs attention"), el("ul", {}, ...items));
}

/** What is on machines that are away can be neither read nor filled. */
function spaceOf({ local_nodes: nodes }) {
  const known = nodes.filter((node) => node.state !== "offline" && node.total_capacity !== null);
  const sum = (key) => known.reduce((total, node) => total + (node[key] ?? 0), 0);
  return {
    ...{ capacity: sum("total_capacity"), used: sum("used_capacity") },
    away: nodes.filter(({ state }) => state === "offline").length,
  };
}

function showFigures(status) {
  const { totals, replication } = status;
  setText(byId("card-nodes"), `${totals.online} of ${totals.nodes}`);
  setText(byId("card-nodes-note"), totals.nodes === 0 ? "None keeps files yet" : "online");
  const { capacity, used, away } = spaceOf(status);
  const free = `${formatBytes(Math.max(0, capacity - used))} free`;
  setText(byId("card-space"), capacity === 0 ? "Not known" : free);
  const without = away === 0 ? "" : `, without ${plural(away, "machine")} that ${isAre(away)} away`;
  const note = `${formatBytes(used)} of ${formatBytes(capacity)} used${without}`;
  setText(byId("card-space-note"), capacity === 0 ? "No machine has reported" : note);
  const copies = Math.min(replication.replicas, totals.online);
  setText(byId("card-copies"), `${copies} of ${replication.replicas}`);
  setText(
    byId("card-copies-note"),
    replication.note ??
      `A write counts when ${plural(replication.acksNeeded, "copy").replace("copys", "copies")} ` +
        `${isAre(replication.acksNeeded)} on disk`,
  );
  const waiting = replication.repairQueue;
  const nothing = replication.lastRepairWalkMs === undefined ? "Not known yet" : "Complete";
  setText(byId("card-repair"), waiting === 0 ? nothing : plural(waiting, "chunk"));
  setText(byId("card-repair-note"), repairNote(replication));
}

const isAre = (count) => (count === 1 ? "is" : "are");

function repairNote({ repairQueue, lastRepairWalkMs }) {
  if (repairQueue > 0) return "wait for another copy";
  return lastRepairWalkMs === undefined
    ? "Not checked yet"
    : `Checked ${formatAge(lastRepairWalkMs)}`;
}
