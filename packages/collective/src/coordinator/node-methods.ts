/** `node.*`: what nodes say about themselves. */
import { type Clock, limits, MeshError } from "@hearthmesh/core";
import type { NodeRole } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import type { CoordinatorPlace, NodeRegisterRequest } from "../protocol.js";
import type { HoldBook } from "../recovery/hold-book.js";
import { readMark } from "../storage/seen-mark.js";
import type { StorageReport } from "../types.js";
import type { Fields } from "./fields.js";
import { keys } from "./keys.js";
import type { Call, MethodTable } from "./method-table.js";
import type { NodeDirectory } from "./node-directory.js";

const ROLES: readonly NodeRole[] = ["coordinator", "storage", "gateway", "ai"];
const SITE_LENGTH_MAX = 64;
const VERSION_LENGTH_MAX = 64;
const REASON_LENGTH_MAX = 256;

export interface NodeMethodsOptions {
  readonly nodes: NodeDirectory;
  readonly holds: HoldBook;
  readonly store: Store;
  readonly clock: Clock;
  /** Names this run of the coordinator. */
  readonly run: string;
}

export function nodeMethods({ nodes, holds, store, clock, run }: NodeMethodsOptions): MethodTable {
  /** What every answer to a node says of this coordinator. */
  const place = async (): Promise<Required<CoordinatorPlace>> => {
    const { revision } = await store.range(keys.nodes, { limit: 1, keysOnly: true });
    return { nowMs: clock.nowMs(), revision, run };
  };
  return {
    "node.register": {
      policy: "machine",
      serve: async (call) => {
        const request = readRegistration(call.fields);
        await holds.judge(call.principal.nodeId, request.seen);
        const answer = await nodes.register(call.principal, peerOf(call), request);
        return { header: { ...answer, ...(await place()) } };
      },
    },
    "node.report": {
      policy: "machine",
      serve: async (call) => {
        const report = call.fields.object("report");
        if (report === undefined) throw call.fields.bad("report");
        const answer = await nodes.report(call.principal, readReport(report));
        return { header: { ...answer, ...(await place()) } };
      },
    },
  };
}

function peerOf(call: Call) {
  if (call.peer === undefined) throw new MeshError("MESH_FORBIDDEN");
  return call.peer;
}

function readRegistration(fields: Fields): NodeRegisterRequest {
  const report = fields.object("report");
  const seen = readMark(fields.raw("seen"));
  return {
    roles: fields.texts("roles", ROLES.length, 32).map((role) => readRole(fields, role)),
    site: fields.text("site", SITE_LENGTH_MAX),
    addresses: fields.texts("addresses", limits.NODE_ADDRESSES_MAX, limits.NODE_ADDRESS_BYTES_MAX),
    version: fields.text("version", VERSION_LENGTH_MAX),
    ...(report === undefined ? {} : { report: readReport(report) }),
    ...(seen === undefined ? {} : { seen }),
  };
}

function readRole(fields: Fields, text: string): NodeRole {
  const role = ROLES.find((known) => known === text);
  if (role === undefined) throw fields.bad("roles");
  return role;
}

function readReport(fields: Fields): StorageReport {
  const readOnly = fields.optionalText("readOnly", REASON_LENGTH_MAX);
  const unreadablePacks = fields.optionalInteger("unreadablePacks");
  const corruptLastDay = fields.optionalInteger("corruptLastDay");
  const scrub = fields.object("scrub");
  return {
    capacityBytes: fields.integer("capacityBytes"),
    usedBytes: fields.integer("usedBytes"),
    freeBytes: fields.integer("freeBytes"),
    chunkCount: fields.integer("chunkCount"),
    corruptChunks: fields.integer("corruptChunks"),
    ...(corruptLastDay === undefined ? {} : { corruptLastDay }),
    ...(scrub === undefined ? {} : { scrub: readScrub(scrub) }),
    ...(unreadablePacks === undefined ? {} : { unreadablePacks }),
    ...(readOnly === undefined ? {} : { readOnly }),
  };
}

function readScrub(fields: Fields): NonNullable<StorageReport["scrub"]> {
  return {
    passes: fields.integer("passes"),
    verified: fields.integer("verified"),
    damaged: fields.integer("damaged"),
  };
}
