/**
 * Loads the gRPC library and the methods of etcd's API. Both are loaded late, so that a node on the
 * embedded engine pays no memory for them.
 */
import type * as Grpc from "@grpc/grpc-js";
import { clusterDescriptor, type DescriptorJson, keyDescriptor } from "./descriptor.js";
import type * as Messages from "./messages.js";

/** One remote procedure: its path, and how its messages are written and read. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly serialize: (request: Request) => Buffer;
  readonly deserialize: (bytes: Buffer) => Response;
}

interface EtcdMethods {
  readonly range: Method<Messages.RangeRequest, Messages.RangeResponse>;
  readonly put: Method<Messages.PutRequest, Messages.WithHeader>;
  readonly deleteRange: Method<Messages.DeleteRangeRequest, Messages.DeleteRangeResponse>;
  readonly txn: Method<Messages.TxnRequest, Messages.TxnResponse>;
  readonly compact: Method<Messages.CompactionRequest, Messages.WithHeader>;
  readonly watch: Method<Messages.WatchRequest, Messages.WatchResponse>;
  readonly leaseGrant: Method<Messages.LeaseGrantRequest, Messages.LeaseGrantResponse>;
  readonly leaseRevoke: Method<Messages.LeaseIdRequest, Messages.WithHeader>;
  /** A stream of the API that is used for one question and one answer. */
  readonly leaseKeepAlive: Method<Messages.LeaseIdRequest, Messages.LeaseKeepAliveResponse>;
  readonly leaseTimeToLive: Method<
    Messages.LeaseIdRequest & { keys: boolean },
    Messages.LeaseTimeToLiveResponse
  >;
  readonly leaseLeases: Method<object, Messages.LeaseLeasesResponse>;
  readonly authenticate: Method<{ name: string; password: string }, { token: string }>;

  readonly memberAdd: Method<
    { peerUrls: readonly string[]; isLearner: boolean },
    Messages.MemberAddResponse
  >;
  readonly memberRemove: Method<{ id: string }, Messages.MembersResponse>;
  readonly memberUpdate: Method<
    { id: string; peerUrls: readonly string[] },
    Messages.MembersResponse
  >;
  readonly memberList: Method<object, Messages.MembersResponse>;
  readonly memberPromote: Method<{ id: string }, Messages.MembersResponse>;
  readonly alarm: Method<
    { action: number; memberId: string; alarm: number },
    Messages.AlarmResponse
  >;
  readonly status: Method<object, Messages.StatusResponse>;
  readonly defragment: Method<object, object>;
  readonly snapshot: Method<object, Messages.SnapshotResponse>;
  readonly moveLeader: Method<{ targetId: string }, object>;
}

export interface EtcdProtocol {
  readonly grpc: typeof Grpc;
  readonly methods: EtcdMethods;
}

type Loader = typeof import("@grpc/proto-loader");
type FindMethod = <Request, Response>(name: string) => Method<Request, Response>;

/** Takes some tens of milliseconds. */
export async function loadProtocol(): Promise<EtcdProtocol> {
  const [grpc, loader] = await Promise.all([import("@grpc/grpc-js"), import("@grpc/proto-loader")]);
  const keys = methodsOf(loader, keyDescriptor(), Number);
  const cluster = methodsOf(loader, clusterDescriptor(), String);
  return {
    grpc,
    methods: {
      range: keys("KV/Range"),
      put: keys("KV/Put"),
      deleteRange: keys("KV/DeleteRange"),
      txn: keys("KV/Txn"),
      compact: keys("KV/Compact"),
      watch: keys("Watch/Watch"),
      leaseGrant: keys("Lease/LeaseGrant"),
      leaseRevoke: keys("Lease/LeaseRevoke"),
      leaseKeepAlive: keys("Lease/LeaseKeepAlive"),
      leaseTimeToLive: keys("Lease/LeaseTimeToLive"),
      leaseLeases: keys("Lease/LeaseLeases"),
      authenticate: keys("Auth/Authenticate"),
      memberAdd: cluster("Cluster/MemberAdd"),
      memberRemove: cluster("Cluster/MemberRemove"),
      memberUpdate: cluster("Cluster/MemberUpdate"),
      memberList: cluster("Cluster/MemberList"),
      memberPromote: cluster("Cluster/MemberPromote"),
      alarm: cluster("Maintenance/Alarm"),
      status: cluster("Maintenance/Status"),
      defragment: cluster("Maintenance/Defragment"),
      snapshot: cluster("Maintenance/Snapshot"),
      moveLeader: cluster("Maintenance/MoveLeader"),
    },
  };
}

function methodsOf(
  loader: Loader,
  descriptor: DescriptorJson,
  longs: typeof Number | typeof String,
): FindMethod {
  const json: object = descriptor;
  const definitions = loader.fromJSON(json as Parameters<Loader["fromJSON"]>[0], {
    keepCase: true,
    longs,
    defaults: true,
    arrays: true,
  });
  return <Request, Response>(name: string): Method<Request, Response> => {
    const [service = "", method = ""] = name.split("/");
    const definition = definitions[`etcdserverpb.${service}`];
    const found =
      definition === undefined || "format" in definition ? undefined : definition[method];
    if (found === undefined) throw new Error(`the descriptor has no method ${name}`);
    return {
      path: found.path,
      serialize: found.requestSerialize as (request: Request) => Buffer,
      deserialize: found.responseDeserialize as (bytes: Buffer) => Response,
    };
  };
}
