/**
 * etcd answers "no space" to a write that it never began, and also to the one write that reached
 * the limit, which it has carried out. This tells the two apart where it can be told.
 */
import type { Operation, Transaction } from "../types.js";
import type { EtcdClient } from "./etcd-client.js";
import type { KeySpace } from "./key-space.js";

/**
 * False when the transaction has surely changed nothing: the revision is still the one that was
 * known before it was sent, or in each branch a key that it puts is still of an older revision.
 */
export async function mayHaveHappened(
  client: EtcdClient,
  keys: KeySpace,
  { success, failure = [] }: Transaction,
  knownRevision: number,
): Promise<boolean> {
  const branches = [success, failure].filter((branch) => branch.some((each) => isWrite(each)));
  const witnesses = branches.map((branch) => branch.find((each) => each.type === "put")?.key);
  const asked = witnesses.map((key) =>
    key === undefined ? { ...keys.nothing } : { key: keys.encode(key) },
  );
  try {
    const request = { compare: [], success: asked.map((range) => ({ range })), failure: [] };
    const answer = await client.call(client.protocol.methods.txn, request, "repeatable");
    if (answer.header?.revision === knownRevision) return false;
    return answer.responses.some(({ range }) => {
      const found = range?.kvs[0];
      return found === undefined || found.modRevision > knownRevision;
    });
  } catch {
    return true;
  }
}

function isWrite(operation: Operation): boolean {
  return operation.type !== "get";
}
