/**
 * Keeps an invite for storage nodes in a file, for machines that share a directory with this
 * coordinator and nothing else: the containers of one compose project. The invite is made anew
 * before it ends or is used up, and when this coordinator has moved to an address that is not in
 * it, as a container does that is started again; the old one is revoked then. Who can read the file
 * can add storage nodes, and nothing more: it is private (0600), and each use stands in the audit
 * trail.
 */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import type { Authority } from "@hearthmesh/collective";
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  type Startable,
} from "@hearthmesh/core";
import {
  type Endpoint,
  formatEndpoint,
  type InviteRecord,
  parseInvite,
} from "@hearthmesh/identity";

type InviteCode = ReturnType<typeof parseInvite>;

const LOOK_EVERY_MS = 60_000;
const VALIDITY_MS = 7 * 86_400_000;
/** More than the machines that one compose file starts in a week. */
const USES_MAX = 100;

export interface NodeInviteFileOptions {
  path: string;
  authority: Pick<Authority, "createInvite" | "listInvites" | "revokeInvite" | "localOperator">;
  /** Where the invite can be redeemed, best first. */
  endpoints(): readonly Endpoint[];
  clock: Clock;
  log: Logger;
}

/** Whether newcomers can still rely on it: open, with uses left, and not near its end. */
export function isGoodForNodes(record: InviteRecord, nowMs: number): boolean {
  const { revokedAtMs, uses, maxUses, notAfterMs } = record;
  return revokedAtMs === undefined && uses.length < maxUses && notAfterMs - nowMs > VALIDITY_MS / 2;
}

export class NodeInviteFile implements Startable {
  readonly name = "node invite file";
  readonly #options: NodeInviteFileOptions;
  #timer: { cancel(): void } | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: NodeInviteFileOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stopped = false;
    await this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    this.#looking = this.#ensure().catch((error: unknown) =>
      log.warn("the invite for storage nodes could not be written", errorFields(error)),
    );
    await this.#looking;
    if (this.#stopped) return;
    this.#timer = clock.setTimeout(() => void this.#look(), LOOK_EVERY_MS);
  }

  async #ensure(): Promise<void> {
    const { path, authority, endpoints, clock, log } = this.#options;
    const operator = authority.localOperator();
    const present = inviteIn(await readIfThere(path));
    const all = await authority.listInvites(operator);
    const old = all.find(({ id }) => id === present?.id);
    const isGood = old !== undefined && isGoodForNodes(old, clock.nowMs());
    if (isGood && leadsHere(present, endpoints())) return;
    const { text, record } = await authority.createInvite(operator, {
      kind: "node",
      roles: ["storage"],
      maxUses: USES_MAX,
      validityMs: VALIDITY_MS,
      description: "storage nodes, by the file of this coordinator",
      endpoints: endpoints(),
    });
    await writePrivate(path, `${text}\n`);
    log.info("wrote an invite for storage nodes", { inviteId: record.id, path });
    if (old !== undefined) await authority.revokeInvite(operator, old.id);
  }
}

/** Whether newcomers who follow the invite come to the best of the addresses, if there is one. */
function leadsHere(invite: InviteCode | undefined, [best]: readonly Endpoint[]): boolean {
  if (best === undefined) return true;
  const text = formatEndpoint(best).toLowerCase();
  return invite?.endpoints.some((one) => formatEndpoint(one) === text) === true;
}

/** Undefined for a file that is not there or holds something else. */
function inviteIn(text: string | undefined): InviteCode | undefined {
  if (text === undefined) return undefined;
  try {
    return parseInvite(text);
  } catch (error) {
    if (isMeshError(error)) return undefined;
    throw error;
  }
}
