/** The copies at friends, joined to the parts of a coordinator. */
import { type FileId, limits, MeshError, type NodeId } from "@hearthmesh/core";
import { Copies } from "../copies/copies.js";
import { copyMethods } from "../copies/copy-methods.js";
import type { Placement } from "../storage/placement.js";
import { Access, type AccessPolicy } from "./access.js";
import type { Background } from "./background.js";
import { restoreChunk } from "./chunk-restore.js";
import type { CoordinatorOptions } from "./coordinator-options.js";
import type { Directories } from "./directories.js";
import type { MethodTable } from "./method-table.js";
import type { Namespace } from "./namespace.js";
import type { NamespaceContext } from "./namespace-context.js";
import type { NodeDirectory } from "./node-directory.js";
import { parsePath } from "./paths.js";
import { pagesOf } from "./store-helpers.js";
import type { TicketOffice } from "./ticket-office.js";
import { decodeTrash } from "./trash-records.js";

const TRASH_PAGE_ROWS = 256;
const EVERYTHING: AccessPolicy = { authorize: () => undefined, visible: () => true };

/** What is there only when the coordinator is put together. */
export interface CopyGround {
  readonly background: Background;
  readonly nodes: NodeDirectory;
  readonly tickets: TicketOffice;
  readonly placement: () => Placement;
}

/** Undefined for a coordinator that keeps no copies at friends. */
export function makeCopies(
  options: CoordinatorOptions,
  directories: Directories,
  ground: () => CopyGround,
): Copies | undefined {
  const { store, clock, random, log, nodeId } = options;
  if (options.copies === undefined) return undefined;
  const { links } = options.copies;
  return new Copies({
    ...options.copies,
    ...{ store, directories, clock, random },
    log: log.child({ part: "copies" }),
    inTrash: (fileIds) => contentsInTrash(store, fileIds),
    wake: (worker) => ground().background.registry.require(worker).wakeIn(WAKE_MS),
    restore: (chunk, owner, bytes) => {
      const { nodes, tickets, placement } = ground();
      const there = new Set(nodes.takingChunks());
      const nodesFor = () =>
        placement()
          .order(chunk.id)
          .filter((one) => there.has(one));
      const link = async (target: NodeId) => {
        const info = nodes.info(target);
        if (info === undefined) throw new MeshError("MESH_UNREACHABLE");
        return links.linkTo(info);
      };
      return restoreChunk({ tickets, clock, self: nodeId, link, nodesFor }, chunk, owner, bytes);
    },
  });
}

/** Several changes make one run. */
const WAKE_MS = 200;

/** `quota.*`, `policy.*`, `file.recall`. */
export function copyMethodsFor(
  context: NamespaceContext,
  namespace: Namespace,
  copies: Copies | undefined,
): MethodTable {
  return copyMethods({
    context,
    copies,
    makeRoom: async (path) => {
      const operator = context.quotas.terms?.operator();
      if (operator === undefined) return;
      await namespace.makeDirectory(new Access(EVERYTHING, operator), parsePath(path), true);
    },
  });
}

async function contentsInTrash(
  store: CoordinatorOptions["store"],
  fileIds: ReadonlySet<FileId>,
): Promise<ReadonlySet<FileId>> {
  const found = new Set<FileId>();
  if (fileIds.size === 0) return found;
  for await (const page of pagesOf(store, "t", { limit: TRASH_PAGE_ROWS })) {
    for (const row of page) {
      const { fileId } = decodeTrash(row.value).entry;
      if (fileIds.has(fileId) && found.size < limits.COPIES_SUSPECT_MAX) found.add(fileId);
    }
  }
  return found;
}
