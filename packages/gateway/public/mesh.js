/** Who else is in the mesh and how they are reached; nodes of others; services. */
import { api } from "./api.js";
import { byId, el, setText, showList } from "./dom.js";

/** Fetches and shows all three. Where the mesh is switched off, the panels stay away. */
export async function refreshMesh() {
  const answers = await Promise.all(
    ["/mesh/peers", "/api/mesh/nodes", "/api/mesh/services"].map((path) => api(path)),
  ).catch((error) => {
    if (error.code !== "MESH_DISABLED") throw error;
    return undefined;
  });
  for (const id of ["peers-panel", "services-panel"]) byId(id).hidden = answers === undefined;
  if (answers === undefined) return;
  const [{ peers, missing }, { nodes }, { services }] = answers;
  const introduced = nodes.filter(({ trust }) => trust === "introduced");
  const rows = [...peers, ...missing].map(peerRow).concat(introduced.map(introducedRow));
  showList("peers", rows, ({ key }) => key, makePeer);
  showList("services", services, ({ name, nodeId }) => `${nodeId}/${name}`, makeService);
}

function peerRow(peer) {
  const relays = peer.via.length === 0 ? "" : ` through ${peer.via.join(", ")}`;
  const link = { direct: "directly", relayed: `relayed${relays}`, none: "no link" }[peer.link];
  const time = peer.roundTripMs === null ? "" : `, ${peer.roundTripMs.toFixed(1)} ms`;
  return {
    key: peer.nodeId || peer.name,
    name: peer.name,
    note: peer.capabilities.join(", "),
    state: peer.state,
    link: `${link}${time}`,
    found: peer.foundBy.map(({ method }) => method).join(", "),
    reason: peer.reason ?? "",
  };
}

function introducedRow(node) {
  return {
    key: node.nodeId,
    name: node.name,
    note: `of ${node.memberId}: ${node.fingerprint}`,
    state: node.state,
    link: node.url ?? "",
    found: "introduced",
    reason: node.reason ?? "",
  };
}

function makePeer() {
  const name = el("strong");
  const note = el("div", { class: "quiet" });
  const state = el("span", { class: "state" });
  const link = el("span");
  const reason = el("div", { class: "quiet" });
  const found = el("td", { class: "wide" });
  const element = el(
    "tr",
    {},
    el("td", {}, name, note),
    el("td", {}, state),
    el("td", {}, link, reason),
    found,
  );
  const update = (row) => {
    setText(name, row.name);
    setText(note, row.note);
    state.dataset.state = row.state;
    setText(state, row.state);
    setText(link, row.link);
    setText(reason, row.reason);
    setText(found, row.found);
  };
  return { element, update };
}

function makeService() {
  const name = el("strong");
  const capabilities = el("div", { class: "quiet" });
  const state = el("span", { class: "state" });
  const reason = el("div", { class: "quiet" });
  const node = el("td");
  const use = el("code", { class: "quiet" });
  const element = el(
    "tr",
    {},
    el("td", {}, name, capabilities),
    el("td", {}, state, reason),
    node,
    el("td", { class: "wide" }, use),
  );
  const update = (service) => {
    setText(name, service.name);
    setText(capabilities, service.capabilities.join(", "));
    state.dataset.state = service.health;
    setText(state, service.health);
    setText(reason, service.reason ?? "");
    setText(node, service.local ? "this machine" : service.node);
    const web = `/api/mesh/route/${service.name}/`;
    setText(use, service.protocol === "http" ? web : `mesh forward ${service.name} <port>`);
  };
  return { element, update };
}
