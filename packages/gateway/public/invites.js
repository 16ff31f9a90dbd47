/** Invites: the dialog that makes one, and the list of those that are open. */
import { api } from "./api.js";
import {
  byId,
  capital,
  confirmed,
  el,
  formatAge,
  formatTime,
  setText,
  showError,
  showList,
  toast,
} from "./dom.js";

const WORDS = {
  node: {
    title: "Invite a machine",
    text:
      "The machine will keep chunks of your files. It makes its own key at home; " +
      "the invite tells it whom to trust.",
    made: "On the other machine, with Hearthmesh installed, run:",
    command: "mesh join",
  },
  person: {
    title: "Invite a person",
    text: "They get an identity of their own, and may do in this folder what you tick.",
    made: "Send this to them. With Hearthmesh installed, they run:",
    command: "mesh invite redeem",
  },
};
let kind = "node";

export function startInvites() {
  byId("invite-node").addEventListener("click", () => openDialog("node"));
  byId("invite-person").addEventListener("click", () => openDialog("person"));
  byId("invite-cancel").addEventListener("click", () => byId("invite").close());
  byId("invite-close").addEventListener("click", () => byId("invite").close());
  byId("invite-copy").addEventListener("click", () => void copyCommand());
  byId("invite").addEventListener("close", forgetCode);
  byId("invite-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void makeInvite();
  });
}

function openDialog(wanted) {
  kind = wanted;
  setText(byId("invite-title"), WORDS[kind].title);
  setText(byId("invite-text"), WORDS[kind].text);
  for (const field of document.querySelectorAll("#invite [data-for]")) {
    field.hidden = field.dataset.for !== kind;
  }
  byId("invite-error").hidden = true;
  byId("invite-form").hidden = false;
  byId("invite-made").hidden = true;
  byId("invite").showModal();
}

async function makeInvite() {
  try {
    const body = inviteOrder();
    const made = await api("/api/invites", { method: "POST", query: { qr: "true" }, body });
    setText(byId("invite-made-text"), WORDS[kind].made);
    setText(byId("invite-command"), `${WORDS[kind].command} ${made.code}`);
    byId("invite-qr").src = `data:image/svg+xml,${encodeURIComponent(made.qrSvg)}`;
    byId("invite-form").hidden = true;
    byId("invite-made").hidden = false;
    byId("invite-made-title").focus();
    await refreshInvites();
  } catch (error) {
    byId("invite-error").hidden = false;
    setText(byId("invite-error"), `${capital(error.message)}. ${error.hint ?? ""}`);
  }
}

function inviteOrder() {
  const validity = byId("invite-validity").value;
  if (kind === "node") {
    const nodeName = byId("invite-name").value.trim();
    return { kind, validity, ...(nodeName === "" ? {} : { nodeName }) };
  }
  const ticked = document.querySelectorAll('#invite input[name="right"]:checked');
  const rights = [...ticked].map((box) => box.value);
  if (rights.length === 0) throw new Error("tick at least one right");
  return { kind, validity, grants: [`${byId("invite-path").value.trim()}:${rights.join("+")}`] };
}

/** The code is a secret: it does not stay in the page. */
function forgetCode() {
  setText(byId("invite-command"), "");
  byId("invite-qr").removeAttribute("src");
}

async function copyCommand() {
  const text = byId("invite-command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    getSelection()?.selectAllChildren(byId("invite-command"));
    toast("Press Ctrl+C to copy", "error");
  }
}

export async function refreshInvites() {
  const { invites } = await api("/api/invites");
  const open = invites.filter((invite) => invite.state === "open");
  showList("invites", open, ({ id }) => id, makeRow);
}

function makeRow(invite) {
  const what = invite.kind === "node" ? "A machine" : "A person";
  const label = invite.nodeName ?? invite.description;
  const ends = el("td", { class: "wide", title: formatTime(invite.notAfterMs) });
  const revoke = el(
    "button",
    { type: "button", onclick: () => void revokeInvite(invite) },
    "Revoke",
  );
  const element = el(
    "tr",
    {},
    el("td", {}, what, el("div", { class: "quiet" }, label === "" ? invite.id : label)),
    el("td", {}, invite.kind === "node" ? invite.roles.join(", ") : grantsText(invite.grants)),
    ends,
    el("td", {}, el("div", { class: "actions" }, revoke)),
  );
  return { element, update: (now) => setText(ends, formatAge(now.notAfterMs)) };
}

const grantsText = (grants) =>
  grants.map((grant) => `${grant.rights.join(", ")} in ${grant.path}`).join("; ");

async function revokeInvite(invite) {
  const text = "Whoever has it can no longer use it. Who joined with it before stays.";
  if (!(await confirmed("Revoke this invite?", text, "Revoke it"))) return;
  try {
    await api(`/api/invites/${invite.id}`, { method: "DELETE" });
    await refreshInvites();
  } catch (error) {
    showError(error);
  }
}
