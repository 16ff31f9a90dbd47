/** The table of machines. */
import { api } from "./api.js";
import {
  bar,
  confirmed,
  el,
  formatAge,
  formatBytes,
  formatTime,
  setText,
  showError,
  showList,
  toast,
} from "./dom.js";

/** A machine that is fuller than this is shown as full. */
const FULL_PART = 0.95;

export function showNodes(status) {
  const create = (node) => makeRow(node, status.node.id);
  showList("nodes", status.local_nodes, ({ id }) => id, create);
}

function makeRow(node, ownId) {
  const name = el("strong");
  const place = el("div", { class: "quiet" });
  const state = el("span", { class: "state" });
  const reason = el("div", { class: "quiet" });
  const space = bar();
  const used = el("div", { class: "quiet" });
  const chunks = el("td", { class: "number wide" });
  const seen = el("td", { class: "wide" });
  const remove = el("button", { type: "button", onclick: () => removeNode(node) }, "Remove");
  const actions = node.id === ownId ? el("span", { class: "quiet" }, "this machine") : remove;
  const element = el(
    "tr",
    {},
    el("td", {}, name, place),
    el("td", {}, state, reason),
    el("td", {}, space.element, used),
    chunks,
    seen,
    el("td", {}, actions),
  );
  const update = (now) => {
    setText(name, now.name);
    setText(place, now.addresses[0] ?? "");
    state.dataset.state = now.state;
    setText(state, now.state);
    setText(reason, now.reason ?? "");
    showSpace(now, space, used);
    setText(chunks, now.chunk_count === null ? "–" : now.chunk_count.toLocaleString());
    const seenMs = now.last_seen === null ? undefined : Date.parse(now.last_seen);
    setText(seen, seenMs === undefined ? "never" : formatAge(seenMs));
    seen.title = seenMs === undefined ? "" : formatTime(seenMs);
  };
  return { element, update };
}

function showSpace(node, space, used) {
  const { total_capacity: total, used_capacity: taken } = node;
  if (total === null || taken === null) {
    space.set(0, `${node.name} has not reported its space`);
    setText(used, "not reported");
    return;
  }
  const text = `${formatBytes(taken)} of ${formatBytes(total)}`;
  const part = total === 0 ? 0 : taken / total;
  space.set(part, `${text} used`);
  space.element.dataset.full = String(part > FULL_PART);
  setText(used, text);
}

async function removeNode(node) {
  const yes = await confirmed(
    `Remove ${node.name}?`,
    "It may no longer connect, and its copies are made anew on other machines. " +
      "This cannot be undone.",
    "Remove the machine",
  );
  if (!yes) return;
  try {
    await api(`/api/nodes/${encodeURIComponent(node.id)}`, { method: "DELETE" });
    toast(`${node.name} was removed`);
  } catch (error) {
    showError(error);
  }
}
