/** Puts the parts of pools together for one node. */
import type { Authority } from "@hearthmesh/collective";
import { errorFields, type Startable } from "@hearthmesh/core";
import { poolRootOf, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { outsideAddresses } from "../addresses.js";
import type { Config } from "../config/config.js";
import type { CredentialHolder } from "../credential-holder.js";
import type { NodeRecord } from "../home.js";
import type { MeshPart } from "../mesh/mesh-part.js";
import type { MethodPart } from "../method-router.js";
import type { Tools } from "../tools.js";
import { CallAnswerer } from "./call-answerer.js";
import { JoinDesk } from "./join-desk.js";
import { type PoolAdmin, PoolDoors } from "./pool-doors.js";
import { PoolPart } from "./pool-part.js";

export interface OpenPoolsOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly credentials: CredentialHolder;
  readonly publicKeyPem: string;
  readonly mesh: MeshPart;
  /** On a coordinator. */
  readonly authority: Authority | undefined;
}

export interface NodePools {
  /** Who belongs to which pool, and the share of this node (`setCapacity`). */
  readonly directory: PoolPart;
  /** For the HTTP doors. */
  readonly doors: PoolDoors;
  readonly methods: readonly MethodPart[];
  /** To be started after the mesh. */
  readonly part: Startable;
}

export function openPools(options: OpenPoolsOptions): NodePools {
  const { config, record, credentials, publicKeyPem, mesh, authority } = options;
  const { clock, random, log } = options;
  const { keyPem, caCertificatePem } = credentials.current;
  const root = poolRootOf(caCertificatePem);
  const signer = { publicKey: publicKeyDerOf(publicKeyPem), sign: signerOf(keyPem) };
  const { nodeId, name } = record;
  const tools = { clock, random, log };
  const directory = new PoolPart({
    home: config.home,
    self: nodeId,
    root,
    signer,
    capacity: config.poolCapacity,
    addresses: () => outsideAddresses(config.links, config.advertise),
    links: mesh.parts.links,
    swim: mesh.parts.swim,
    authority,
    ...tools,
  });
  const admin: PoolAdmin | undefined = authority && {
    authority,
    desk: new JoinDesk({ authority, clock, log }),
  };
  const doors = new PoolDoors({
    home: config.home,
    self: { nodeId, name },
    pools: directory,
    admin,
    ...tools,
  });
  const methods = directory.methods();
  if (admin === undefined) return { directory, doors, methods, part: directory };
  const answerer = new CallAnswerer({
    name,
    signer,
    root,
    port: config.mesh.beacon.port,
    enrolmentPort: config.enrolment.port,
    addresses: () => outsideAddresses(config.enrolment, config.advertise),
    ...tools,
  });
  const part = adminPart(options, admin, directory, answerer);
  return { directory, doors, methods, part };
}

/** Pools of a coordinator: newcomers on the LAN are heard, and who is revoked leaves its pools. */
function adminPart(
  { config, log }: OpenPoolsOptions,
  { authority, desk }: PoolAdmin,
  directory: PoolPart,
  answerer: CallAnswerer,
): Startable {
  const serve = async () => {
    if (config.mesh.beacon.enabled) {
      await answerer.serve(authority.pools.list().map(({ poolId }) => poolId));
    }
  };
  const removeRevoked = async (nodeId: string) => {
    for (const { poolId, members } of authority.pools.list()) {
      const gone = members.find((one) => one.nodeId === nodeId && one.role === "member");
      if (gone === undefined) continue;
      await authority.pools.remove(authority.localOperator(), poolId, gone.nodeId);
      desk.forget(poolId, gone.nodeId);
    }
  };
  const unsubscribe: (() => void)[] = [];
  const failed = (what: string) => (error: unknown) => log.warn(what, errorFields(error));
  return {
    name: directory.name,
    async start() {
      await directory.start();
      unsubscribe.push(
        authority.pools.onChange(() => void serve().catch(failed("calls are not answered"))),
        authority.onRevoked(({ nodeId }) => {
          removeRevoked(nodeId).catch(failed("a revoked machine was not taken out of its pools"));
        }),
      );
      await serve();
    },
    async stop() {
      for (const stop of unsubscribe.splice(0)) stop();
      answerer.stop();
      await directory.stop();
    },
  };
}
