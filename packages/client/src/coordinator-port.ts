/** The file methods of a member's coordinators over links, and at another one when one is away. */
import type { CoordinatorPort, LinkPool, NodeInfo } from "@hearthmesh/collective";
import { coordinatorOverLink } from "@hearthmesh/collective/client";
import { PEER_CALL } from "@hearthmesh/collective/federation";
import { asUnsent, type Clock, fromWireError, MeshError, type Random } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { CoordinatorContact, CoordinatorFinder } from "./coordinator-finder.js";
import { askCoordinators } from "./coordinator-finder-failover.js";

export interface CoordinatorPortOptions {
  readonly pool: Pick<LinkPool, "linkTo">;
  readonly finder: CoordinatorFinder;
  readonly memberId: NodeInfo["memberId"];
  readonly clock: Clock;
  /** Without it a round of coordinators that cannot act now is not repeated. */
  readonly random?: Random | undefined;
  onAnswer?(): void;
}

/** Reading may be repeated at another coordinator; `FileClient` knows what else may be. */
const REPEATABLE = ["file.stat", "file.list", "file.open"];

/** What is done, also when it is done on behalf of somebody. */
function innerMethod(method: string, header: object): string {
  return method === PEER_CALL ? String((header as { method?: unknown }).method) : method;
}

/** Calls over the link to a coordinator, and to another one when that is away. */
export function coordinatorPort(options: CoordinatorPortOptions): CoordinatorPort {
  return {
    call: (method, header, body, callOptions) =>
      atCoordinator(options, {
        isRepeatable: REPEATABLE.includes(innerMethod(method, header)),
        signal: callOptions?.signal,
        work: (link) =>
          coordinatorOverLink(async () => link).call(method, header, body, callOptions),
      }),
  };
}

/** The link to a coordinator that can be reached; rejects with why none can. */
export function linkToCoordinator(
  options: CoordinatorPortOptions,
  signal: AbortSignal | undefined,
): Promise<Link> {
  return atCoordinator(options, { isRepeatable: true, signal, work: async (link) => link });
}

interface Errand<Answer> {
  readonly isRepeatable: boolean;
  readonly signal: AbortSignal | undefined;
  work(link: Link): Promise<Answer>;
}

function atCoordinator<Answer>(
  { pool, finder, memberId, clock, random, onAnswer }: CoordinatorPortOptions,
  { isRepeatable, signal, work }: Errand<Answer>,
): Promise<Answer> {
  return askCoordinators(
    {
      places: () => finder.contacts.map(({ nodeId }) => nodeId),
      isRepeatable,
      clock,
      random,
      signal,
      onAnswer(nodeId) {
        finder.answered(nodeId);
        onAnswer?.();
      },
      onFailure: (nodeId, error) => finder.failed(nodeId, error),
    },
    async (nodeId) => {
      const contact = finder.contacts.find((one) => one.nodeId === nodeId);
      if (contact === undefined) throw asUnsent(new MeshError("MESH_UNREACHABLE"));
      const node = coordinatorNode(contact, memberId);
      const link = await pool.linkTo(node, signal).catch((error: unknown) => {
        throw asUnsent(fromWireError(error));
      });
      requireCoordinator(link);
      return work(link);
    },
  );
}

/** A node of the member is no coordinator, whatever a list of coordinators says. */
function requireCoordinator({ peer }: Link): void {
  const { kind, foreignKind } = (peer.identity ?? {}) as Partial<Principal>;
  if (kind === "coordinator" || (kind === "foreign" && foreignKind === "coordinator")) return;
  throw asUnsent(
    new MeshError("MESH_CERT_UNTRUSTED", {
      message: `${peer.remoteAddress} is a node of the member, and not a coordinator`,
    }),
  );
}

/** The coordinator as a node of the pool; when it stores chunks too, both uses share one link. */
function coordinatorNode(contact: CoordinatorContact, memberId: NodeInfo["memberId"]): NodeInfo {
  return {
    nodeId: contact.nodeId,
    name: contact.name,
    memberId,
    roles: ["coordinator"],
    addresses: contact.linkAddresses,
    version: "",
    state: "online",
    lastSeenMs: 0,
  };
}
