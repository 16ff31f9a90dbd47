import { hostname, userInfo } from "node:os";
import type { CollectiveRecord, IdentityHome, IdentityRecord } from "@hearthmesh/client";
import { MeshError, parseGlobalId } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { openHome } from "../door.js";
import { ask, readCode, waitingFor } from "../input.js";
import { formatGrantLine, formatTime } from "../text.js";

interface Options {
  globalId?: string;
  home?: string;
  json?: boolean;
}

export function inviteRedeemCommand(cli: Cli): MeshCommand {
  return new MeshCommand("redeem")
    .description("join a collective as a person with an invite")
    .argument("<code>", "invite code or link; - reads it from standard input")
    .option("--global-id <name@domain>", "identity to make when there is none yet")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples(
      "mesh invite redeem hm1-alice-...@alice.example:9001",
      "mesh invite redeem - < invite.txt",
    )
    .action(async (argument: string, options: Options) => {
      const { enrolWithInvite, parseInvite } = await import("@hearthmesh/client");
      const inviteText = await readCode(cli, argument);
      // A mistyped code must not leave a new identity behind.
      parseInvite(inviteText);
      const home = await openHome(cli, options);
      const identity = await findOrMakeIdentity(cli, home, options.globalId);
      const work = enrolWithInvite({
        inviteText,
        kind: "person",
        name: identity.globalId,
        keyPair: await home.keyPair(),
        clock: cli.clock,
        signal: cli.signal,
      });
      const enrolment = await waitingFor(cli, "Redeeming the invite", work);
      const record = await home.saveEnrolment(enrolment, cli.clock.nowMs());
      if (options.json === true) return printJson(cli, record);
      for (const line of describeJoined(identity, record)) print(cli, line);
    });
}

async function findOrMakeIdentity(
  cli: Cli,
  home: IdentityHome,
  wish: string | undefined,
): Promise<IdentityRecord> {
  const present = await home.identity();
  if (present !== undefined) {
    if (wish === undefined || wish === present.globalId) return present;
    throw new MeshError("MESH_NAME_TAKEN", {
      message: `this home already has the identity ${present.globalId}`,
      hint: "Leave --global-id out to use it, or choose another --home.",
    });
  }
  const standard = likelyGlobalId();
  const answer =
    wish ??
    (await ask(cli, {
      message: "How shall others know you? (name@domain)",
      standard,
      check: whyNotGlobalId,
    })) ??
    standard;
  const identity = await home.create({ globalId: answer, nowMs: cli.clock.nowMs() });
  note(cli, `Made the identity ${identity.globalId}; its key is in ${home.path}.`);
  return identity;
}

/** `user@host.local`, with what is not allowed replaced. */
function likelyGlobalId(): string {
  const clean = (text: string, standard: string) =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, "-")
      .replace(/^[.-]+|[.-]+$/g, "")
      .slice(0, 60) || standard;
  const [host = "", ...rest] = clean(hostname(), "home").split(".");
  const domain = rest.length > 0 ? [host, ...rest].join(".") : `${host}.local`;
  return `${clean(userName(), "me")}@${domain}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user without a name.
    return "me";
  }
}

function whyNotGlobalId(text: string): string | undefined {
  try {
    parseGlobalId(text);
    return undefined;
  } catch {
    return "It looks like carol@office.carol: small letters, digits, dots and hyphens.";
  }
}

function describeJoined(identity: IdentityRecord, record: CollectiveRecord): string[] {
  const [first] = record.grants;
  const path = first?.path === "/" || first === undefined ? "/shared" : first.path;
  const canWrite = first?.rights.includes("write") === true;
  return [
    `You are a guest of ${record.memberId} (${record.trustDomain}) now.`,
    `identity     ${identity.globalId}`,
    "grants",
    ...record.grants.map((grant) => `             ${formatGrantLine(grant)}`),
    `certificate  until ${formatTime(record.certificateNotAfterMs)}, renewed by itself when used`,
    "",
    "Next:",
    "  mesh status",
    `  mesh ls ${path}`,
    ...(canWrite ? [`  echo hello | mesh write ${path}/hello.txt`] : []),
  ];
}
