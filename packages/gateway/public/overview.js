/** The head, what needs attention, and the four figures. */
import { byId, el, formatAge, formatBytes, plural, setText } from "./dom.js";

const HEALTH_WORDS = {
  ok: "All is well",
  degraded: "Needs attention",
  failing: "Not working",
  unknown: "Not known yet",
};

export function showStatus(status) {
  setText(byId("member"), `${status.member.id} · ${status.node.name}`);
  document.title = `${status.member.id} · Hearthmesh`;
  showHealth(status.health);
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
  setText(byId("health"), "Not reachable");
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

function showFigures({ totals, replication }) {
  setText(byId("card-nodes"), `${totals.online} of ${totals.nodes}`);
  setText(byId("card-nodes-note"), totals.nodes === 0 ? "None keeps files yet" : "online");
  const free = Math.max(0, totals.capacityBytes - totals.usedBytes);
  setText(byId("card-space"), `${formatBytes(free)} free`);
  const used = `${formatBytes(totals.usedBytes)} of ${formatBytes(totals.capacityBytes)} used`;
  setText(byId("card-space-note"), totals.capacityBytes === 0 ? "No machine has reported" : used);
  const copies = Math.min(replication.replicas, totals.online);
  setText(byId("card-copies"), `${copies} of ${replication.replicas}`);
  setText(
    byId("card-copies-note"),
    replication.note ??
      `A write counts when ${plural(replication.acksNeeded, "copy").replace("copys", "copies")} ` +
        `${replication.acksNeeded === 1 ? "is" : "are"} on disk`,
  );
  const waiting = replication.repairQueue;
  const nothing = replication.lastRepairWalkMs === undefined ? "Not known yet" : "Complete";
  setText(byId("card-repair"), waiting === 0 ? nothing : plural(waiting, "chunk"));
  setText(byId("card-repair-note"), repairNote(replication));
}

function repairNote({ repairQueue, lastRepairWalkMs }) {
  if (repairQueue > 0) return "wait for another copy";
  return lastRepairWalkMs === undefined
    ? "Not checked yet"
    : `Checked ${formatAge(lastRepairWalkMs)}`;
}
