/**
 * The key of a machine that asks to join a pool. It is kept while it waits, so that asking again
 * shows the same words, and becomes the node's key when it is let in.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import { generateKeyPair, type KeyPairPem } from "@hearthmesh/identity";
import { keyPairOf } from "../key-pair.js";

export async function joinKey(home: string): Promise<KeyPairPem> {
  const path = pathIn(home);
  if ((await readIfThere(path)) !== undefined) return keyPairOf(await readPrivate(path));
  const keyPair = generateKeyPair();
  await writePrivate(path, keyPair.privateKeyPem);
  return keyPair;
}

export async function forgetJoinKey(home: string): Promise<void> {
  await rm(pathIn(home), { force: true });
}

function pathIn(home: string): string {
  return join(home, "secrets", "joining.key");
}
