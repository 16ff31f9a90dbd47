/**
 * What the operator of an etcd cluster does: members, health, space, snapshots. Every call fails
 * with a `MeshError`; `details.etcd` then has etcd's own words where there are any.
 *
 * Ids of members have 64 bits and are texts: 16 hexadecimal digits, as `etcdctl` prints them.
 */
import { createHash } from "node:crypto";
import type * as Grpc from "@grpc/grpc-js";
import { MeshError } from "@hearthmesh/core";
import { EtcdConnection } from "./connection.js";
import { makeChannel, validateEndpoints } from "./endpoints.js";
import { EtcdClient, type EtcdClientOptions, type Repeat } from "./etcd-client.js";
import { MAINTENANCE_TIMEOUT_MS } from "./etcd-limits.js";
import { ALARM_ACTION, ALARM_TYPES, type WireMember } from "./messages.js";
import type { Method } from "./protocol.js";
import { judge, RpcFailure, resultUnknown } from "./rpc-failure.js";

export interface EtcdMember {
  readonly id: string;
  /** Empty until it has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** Empty until it has started for the first time. */
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface EtcdEndpointStatus {
  readonly endpoint: string;
  readonly clusterId: string;
  readonly memberId: string;
  /** Nothing when this member knows of none. */
  readonly leaderId: string | undefined;
  readonly version: string;
  readonly dbSizeBytes: number;
  /** What is left of it after `defragment`. */
  readonly dbSizeInUseBytes: number;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly revision: number;
  readonly isLearner: boolean;
  /** Such as an alarm or a missing leader. */
  readonly errors: readonly string[];
}

export type EtcdAlarmType = (typeof ALARM_TYPES)[number];
export interface EtcdAlarm {
  readonly memberId: string;
  readonly type: EtcdAlarmType;
}

export interface EtcdAdmin {
  memberList(): Promise<readonly EtcdMember[]>;
  /** The new member, as it must then be started. After `RESULT_UNKNOWN`, look at the list. */
  memberAdd(peerUrls: readonly string[], options?: { learner?: boolean }): Promise<EtcdMember>;
  /** `MESH_STORE_BUSY` while the learner has not caught up yet. */
  memberPromote(id: string): Promise<void>;
  /** `MESH_NOT_FOUND` when there is no such member. */
  memberRemove(id: string): Promise<void>;
  memberUpdate(id: string, peerUrls: readonly string[]): Promise<void>;
  /** Also of a member that has no leader or is a learner. */
  statusOf(endpoint: string): Promise<EtcdEndpointStatus>;
  alarms(): Promise<readonly EtcdAlarm[]>;
  disarm(alarm: EtcdAlarm): Promise<void>;
  /** Gives free pages back to the disk; the member answers nothing meanwhile. */
  defragment(endpoint: string): Promise<void>;
  /**
   * The whole database as one file, in the form that `etcdctl snapshot restore` takes. Its
   * checksum is verified; `MESH_STORE_CORRUPT` when it is wrong.
   */
  snapshot(
    endpoint: string,
    sink: (part: Uint8Array) => Promise<void>,
  ): Promise<{ readonly sizeBytes: number }>;
  /** Asks the present leader, wherever it is, to hand over. */
  moveLeader(targetId: string): Promise<void>;
  /** Compacts, and returns when it is done on the disk. Nothing when it was compacted already. */
  compactPhysical(revision: number): Promise<void>;
  setEndpoints(endpoints: readonly string[]): void;
  close(): Promise<void>;
}

export type EtcdAdminOptions = EtcdClientOptions;

/** Connects to nothing yet: each call finds an endpoint that answers. */
export async function openEtcdAdmin(options: EtcdAdminOptions): Promise<EtcdAdmin> {
  validateEndpoints(options.endpoints, options.tls !== undefined);
  return new Admin(await EtcdClient.load(options), options);
}

class Admin implements EtcdAdmin {
  readonly #client: EtcdClient;
  readonly #options: EtcdAdminOptions;
  #endpoints: readonly string[];

  constructor(client: EtcdClient, options: EtcdAdminOptions) {
    this.#client = client;
    this.#options = options;
    this.#endpoints = options.endpoints;
  }

  async memberList(): Promise<readonly EtcdMember[]> {
    const { memberList } = this.#client.protocol.methods;
    const { members } = await this.#cluster(memberList, {}, "repeatable");
    return members.map(memberOf);
  }

  async memberAdd(
    peerUrls: readonly string[],
    options: { learner?: boolean } = {},
  ): Promise<EtcdMember> {
    const request = { peerUrls, isLearner: options.learner === true };
    const { memberAdd } = this.#client.protocol.methods;
    const { member } = await this.#cluster(memberAdd, request, "once");
    if (member === null) throw new MeshError("MESH_PROTOCOL");
    return memberOf(member);
  }

  async memberPromote(id: string): Promise<void> {
    const { memberPromote } = this.#client.protocol.methods;
    await this.#cluster(memberPromote, { id: decimalId(id) }, "once");
  }

  async memberRemove(id: string): Promise<void> {
    const { memberRemove } = this.#client.protocol.methods;
    await this.#cluster(memberRemove, { id: decimalId(id) }, "once");
  }

  async memberUpdate(id: string, peerUrls: readonly string[]): Promise<void> {
    const { memberUpdate } = this.#client.protocol.methods;
    await this.#cluster(memberUpdate, { id: decimalId(id), peerUrls }, "repeatable");
  }

  async statusOf(endpoint: string): Promise<EtcdEndpointStatus> {
    const { status } = this.#client.protocol.methods;
    const timeoutMs = this.#client.requestTimeoutMs;
    const answer = await this.#at(endpoint, status, {}, timeoutMs, "repeatable");
    return {
      endpoint,
      clusterId: hexId(answer.header?.clusterId ?? "0"),
      memberId: hexId(answer.header?.memberId ?? "0"),
      leaderId: answer.leader === "0" ? undefined : hexId(answer.leader),
      version: answer.version,
      dbSizeBytes: Number(answer.dbSize),
      dbSizeInUseBytes: Number(answer.dbSizeInUse),
      raftIndex: Number(answer.raftIndex),
      raftAppliedIndex: Number(answer.raftAppliedIndex),
      revision: Number(answer.header?.revision ?? 0),
      isLearner: answer.isLearner,
      errors: answer.errors,
    };
  }

  async alarms(): Promise<readonly EtcdAlarm[]> {
    const { alarm } = this.#client.protocol.methods;
    const request = { action: ALARM_ACTION.get, memberId: "0", alarm: 0 };
    const { alarms } = await this.#cluster(alarm, request, "repeatable");
    return alarms.map((each) => ({
      memberId: hexId(each.memberId),
      type: ALARM_TYPES[each.alarm] ?? "none",
    }));
  }

  async disarm({ memberId, type }: EtcdAlarm): Promise<void> {
    const { alarm } = this.#client.protocol.methods;
    const request = {
      action: ALARM_ACTION.deactivate,
      memberId: decimalId(memberId),
      alarm: ALARM_TYPES.indexOf(type),
    };
    await this.#cluster(alarm, request, "repeatable");
  }

  async defragment(endpoint: string): Promise<void> {
    const { defragment } = this.#client.protocol.methods;
    await this.#at(endpoint, defragment, {}, MAINTENANCE_TIMEOUT_MS, "once");
  }

  async snapshot(
    endpoint: string,
    sink: (part: Uint8Array) => Promise<void>,
  ): Promise<{ readonly sizeBytes: number }> {
    return await this.#connected(endpoint, (connection) => this.#receive(connection, sink));
  }

  async moveLeader(targetId: string): Promise<void> {
    const { moveLeader } = this.#client.protocol.methods;
    for (const endpoint of this.#endpoints) {
      const status = await this.statusOf(endpoint).catch(() => undefined);
      if (status === undefined || status.leaderId !== status.memberId) continue;
      const request = { targetId: decimalId(targetId) };
      await this.#at(endpoint, moveLeader, request, this.#client.requestTimeoutMs, "once");
      return;
    }
    throw new MeshError("MESH_STORE_UNAVAILABLE", {
      message: "none of the endpoints leads the cluster",
    });
  }

  async compactPhysical(revision: number): Promise<void> {
    const { compact } = this.#client.protocol.methods;
    try {
      await this.#cluster(compact, { revision, physical: true }, "repeatable");
    } catch (error) {
      if (!(error instanceof MeshError && error.code === "MESH_STORE_COMPACTED")) throw error;
    }
  }

  setEndpoints(endpoints: readonly string[]): void {
    this.#client.pool.setEndpoints(endpoints);
    this.#endpoints = endpoints;
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  async #cluster<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    repeat: Repeat,
  ): Promise<Response> {
    if (this.#options.user !== undefined && this.#client.pool.current === undefined) {
      await this.#client.open();
    }
    return await this.#client.call(method, request, repeat);
  }

  /** At this very endpoint, also when the cluster has no leader. */
  #at<Request, Response>(
    endpoint: string,
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    repeat: Repeat,
  ): Promise<Response> {
    return this.#connected(endpoint, async (connection, metadata) => {
      try {
        return await connection.unary(method, request, metadata, timeoutMs);
      } catch (error) {
        const lost = error instanceof RpcFailure && judge(error).kind === "unknown";
        throw lost && repeat === "once" ? resultUnknown(error) : error;
      }
    });
  }

  async #connected<T>(
    endpoint: string,
    work: (connection: EtcdConnection, metadata: Grpc.Metadata) => Promise<T>,
  ): Promise<T> {
    const { tls, clock, user } = this.#options;
    validateEndpoints([endpoint], tls !== undefined);
    const { grpc, methods } = this.#client.protocol;
    const connection = new EtcdConnection({
      channel: makeChannel(grpc, endpoint, endpoint.startsWith("https:") ? tls?.() : undefined),
      endpoint,
      clock,
      onStall: () => undefined,
    });
    const metadata = new grpc.Metadata();
    try {
      if (user !== undefined) {
        const timeoutMs = this.#client.requestTimeoutMs;
        const login = connection.unary(methods.authenticate, { ...user }, metadata, timeoutMs);
        const { token } = await login.catch(() => ({ token: "" }));
        if (token !== "") metadata.set("token", token);
      }
      return await work(connection, metadata);
    } catch (error) {
      if (!(error instanceof RpcFailure)) throw error;
      throw judge(error).error;
    } finally {
      connection.close();
    }
  }

  #receive(
    connection: EtcdConnection,
    sink: (part: Uint8Array) => Promise<void>,
  ): Promise<{ readonly sizeBytes: number }> {
    const check = new SnapshotCheck();
    const { snapshot } = this.#client.protocol.methods;
    return new Promise((resolve, reject) => {
      const stream = connection.stream(snapshot, this.#client.metadata, {
        message: ({ blob }) => {
          check.add(blob);
          sink(blob).then(
            () => stream.read(),
            (error: unknown) => {
              reject(error);
              stream.cancel();
            },
          );
        },
        ended: (failure) => {
          if (failure !== undefined) reject(failure);
          else if (!check.holds()) reject(new MeshError("MESH_STORE_CORRUPT"));
          else resolve({ sizeBytes: check.sizeBytes });
        },
      });
      stream.send({});
      stream.halfClose();
      stream.read();
    });
  }
}

/** A snapshot ends with the SHA-256 of what is before it, 32 bytes. */
class SnapshotCheck {
  readonly #hash = createHash("sha256");
  #tail: Buffer = Buffer.alloc(0);
  sizeBytes = 0;

  add(part: Buffer): void {
    this.sizeBytes += part.length;
    const all = Buffer.concat([this.#tail, part]);
    const cut = Math.max(0, all.length - 32);
    this.#hash.update(all.subarray(0, cut));
    this.#tail = Buffer.from(all.subarray(cut));
  }

  holds(): boolean {
    return this.sizeBytes > 32 && this.#hash.digest().equals(this.#tail);
  }
}

function memberOf(member: WireMember): EtcdMember {
  return { ...member, id: hexId(member.id) };
}

function hexId(decimal: string): string {
  return BigInt(decimal).toString(16).padStart(16, "0");
}

function decimalId(hex: string): string {
  if (!/^[0-9a-f]{1,16}$/i.test(hex)) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(hex.slice(0, 40))} is no id of a member of etcd`,
    });
  }
  return BigInt(`0x${hex}`).toString();
}
