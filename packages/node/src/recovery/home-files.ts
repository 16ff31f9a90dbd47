/** The files of a coordinator's home that travel in a snapshot, and back into a new home. */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError, parseNodeId, parseNodeName } from "@hearthmesh/core";
import { caPinOf, nodeIdOfPublicKey, publicKeyDerOf } from "@hearthmesh/identity";
import { type NodeFiles, type NodeRecord, readKey } from "../home.js";

/**
 * By the name under which they travel. The CA's key is not among them: it is in the recovery kit
 * alone, and so a snapshot and its key together make no member.
 */
const TRAVELLING = [
  "caCertificate",
  "key",
  "receiptSecret",
  "meshSecret",
  "storeCaKey",
  "storeCaCertificate",
  "services",
] as const satisfies readonly (keyof NodeFiles)[];

const RECORD = "record";

export async function readHomeFiles(
  files: NodeFiles,
  record: NodeRecord,
): Promise<Record<string, string>> {
  const travelling: Record<string, string> = { [RECORD]: JSON.stringify(record) };
  for (const name of TRAVELLING) {
    const text = await readIfThere(files[name]);
    if (text !== undefined) travelling[name] = text;
  }
  // Refused when others can read it: nothing else would notice.
  await readKey(files.key);
  return travelling;
}

/**
 * The node that the files are of. It starts as the only coordinator: it knows no other any more.
 * `MESH_STORE_CORRUPT` when they do not belong together.
 */
export function recordOf(travelling: Readonly<Record<string, string>>): NodeRecord {
  try {
    const { coordinator, coordinators, ...record } = JSON.parse(
      travelling[RECORD] ?? "",
    ) as NodeRecord;
    const publicKey = publicKeyDerOf(travelling.key ?? "");
    const isOwnKey = nodeIdOfPublicKey(publicKey) === parseNodeId(record.nodeId);
    if (record.v === 1 && isOwnKey && parseNodeName(record.name) !== "") return record;
  } catch {
    // The one error below.
  }
  throw new MeshError("MESH_STORE_CORRUPT", {
    message: "the snapshot has no whole home of a coordinator",
  });
}

export interface RestoredSecrets {
  readonly caKeyPem: string;
  /** Of the same key; used unless the snapshot has the member's own. */
  readonly caCertificatePem: string;
}

/** Everything but the node's record, which makes the home one. */
export async function writeHomeFiles(
  files: NodeFiles,
  travelling: Readonly<Record<string, string>>,
  secrets: RestoredSecrets,
): Promise<void> {
  const { caCertificatePem, caKeyPem } = secrets;
  for (const name of TRAVELLING) {
    const text = travelling[name];
    if (text !== undefined && name !== "caCertificate") await writePrivate(files[name], text);
  }
  const own = travelling.caCertificate;
  const isOwn = own !== undefined && caPinOf(own) === caPinOf(caCertificatePem);
  await writePrivate(files.caCertificate, isOwn ? own : caCertificatePem);
  await writePrivate(files.caKey, caKeyPem);
}
