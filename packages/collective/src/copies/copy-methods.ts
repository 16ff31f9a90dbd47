/**
 * What the coordinator serves about copies: `policy.*` and `quota.list` to the operator,
 * `peer.quota` to the coordinators of peers, `file.recall` to whoever may read the file.
 */
import { limits, MeshError } from "@hearthmesh/core";
import type { Fields } from "../coordinator/fields.js";
import type { Call, MethodTable } from "../coordinator/method-table.js";
import type { NamespaceContext } from "../coordinator/namespace-context.js";
import { parsePath } from "../coordinator/paths.js";
import type { QuotaOffer } from "../coordinator/quota-ledger.js";
import { openFile } from "../coordinator/reading.js";
import type {
  PolicyExplainResponse,
  PolicyListResponse,
  PolicySetResponse,
  QuotaListResponse,
} from "../copies-protocol.js";
import type { FileRecallRequest } from "../protocol.js";
import { type Copies, noCopies } from "./copies.js";
import { copiesDirectory } from "./copy-records.js";
import type { FriendOffer } from "./friends.js";
import { friendTarget, readPolicyRequest } from "./policy.js";

const ETAG_LENGTH_MAX = 64;

export interface CopyMethodsOptions {
  readonly context: NamespaceContext;
  readonly copies: Copies | undefined;
  /** Makes the directory in which a peer keeps its copies, as this member. */
  makeRoom(path: string): Promise<void>;
}

export function copyMethods(options: CopyMethodsOptions): MethodTable {
  return { ...policyMethods(options), ...quotaMethods(options), ...recallMethods(options) };
}

function policyMethods({ copies }: CopyMethodsOptions): MethodTable {
  const use = () => {
    if (copies === undefined) throw noCopies();
    return copies;
  };
  const operator = (serve: (call: Call) => Promise<object>) => ({
    policy: "operator" as const,
    serve: async (call: Call) => ({ header: await serve(call) }),
  });
  const pathOf = (fields: Fields) => parsePath(fields.raw("path")).text;
  return {
    "policy.list": operator(async () => {
      const { policies } = use();
      return { policies: policies.list(), copies: use().status() } satisfies PolicyListResponse;
    }),
    "policy.set": operator(async ({ fields, principal }) => {
      const request = readPolicyRequest({
        path: fields.raw("path"),
        strategy: fields.text("strategy"),
        replicas: fields.optionalInteger("replicas"),
        members: fields.optionalInteger("members"),
      });
      return { policy: await use().setPolicy(principal, request) } satisfies PolicySetResponse;
    }),
    "policy.remove": operator(async ({ fields }) => {
      const policy = await use().removePolicy(pathOf(fields));
      return { policy } satisfies PolicySetResponse;
    }),
    "policy.explain": operator(async ({ fields }) => explain(use(), pathOf(fields))),
  };
}

function explain(copies: Copies, path: string): PolicyExplainResponse {
  const policy = copies.policies.nearest(path);
  const { needed, wanted } = friendTarget(policy);
  const status = copies.status();
  return {
    path,
    ...(policy === undefined ? {} : { policy }),
    atFriends: { needed, wanted },
    friends: status.friends,
  };
}

function quotaMethods({ context, copies, makeRoom }: CopyMethodsOptions): MethodTable {
  const { quotas } = context;
  return {
    "quota.list": {
      policy: "operator",
      serve: async () => ({
        header: {
          given: (quotas.terms?.list() ?? []).map((offer) => ({
            ...pickOffer(offer),
            ...known("usedBytes", quotas.usedBytes(offer.trustDomain)),
            ...known("files", quotas.files(offer.trustDomain)),
          })),
          received: copies?.offers.friends() ?? [],
        } satisfies QuotaListResponse,
      }),
    },
    "peer.quota": {
      policy: "enrolled",
      serve: async ({ principal }) => {
        if (principal.kind !== "foreign" || principal.foreignKind !== "coordinator") {
          throw new MeshError("MESH_FORBIDDEN", {
            message: "only the coordinator of a peer may ask what it was offered",
          });
        }
        const offer = quotas.terms?.get(principal.trustDomain);
        if (offer !== undefined && offer.withdrawnAtMs === undefined) {
          await makeRoom(copiesDirectory(principal.trustDomain));
        }
        return { header: mine(offer, quotas.usedBytes(principal.trustDomain)) };
      },
    },
  };
}

/** Until the files are counted, nothing is promised. */
function mine(offer: QuotaOffer | undefined, usedBytes: number | undefined): FriendOffer {
  const bytes = offer?.bytes ?? 0;
  const withdrawn = offer?.withdrawnAtMs !== undefined;
  return { bytes, usedBytes: usedBytes ?? bytes, withdrawn };
}

function recallMethods({ context, copies }: CopyMethodsOptions): MethodTable {
  return {
    "file.recall": {
      policy: "enrolled",
      serve: async ({ access, fields }) => {
        if (copies === undefined) throw noCopies();
        const request: FileRecallRequest = {
          path: fields.text("path"),
          etag: fields.text("etag", ETAG_LENGTH_MAX),
          chunk: fields.integer("chunk"),
          offset: fields.integer("offset", limits.CHUNK_BYTES_MAX),
        };
        const page = await openFile(context, access, {
          path: parsePath(request.path),
          firstChunk: request.chunk,
          chunks: 1,
          etag: request.etag,
        });
        const [ref] = page.chunks;
        if (ref === undefined) throw fields.bad("chunk");
        const { fileId } = page.entry;
        const bytes = await copies.recall.chunk({ ...ref, fileId, index: request.chunk });
        const { offset } = request;
        return { header: {}, body: bytes.subarray(offset, offset + limits.RECALL_BYTES_MAX) };
      },
    },
  };
}

function pickOffer({ trustDomain, bytes, offeredAtMs, withdrawnAtMs }: QuotaOffer) {
  return { trustDomain, bytes, offeredAtMs, ...known("withdrawnAtMs", withdrawnAtMs) };
}

function known<Name extends string>(name: Name, value: number | undefined) {
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, number>>;
}
