/** The store CA on disk: made once by the first coordinator, handed to the others. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import { type Clock, MeshError, type Random } from "@hearthmesh/core";
import { createStoreCa, decodePem, parseCertificate, type StoreCa } from "@hearthmesh/identity";
import type { StoreFiles } from "./store-files.js";

type CaFiles = Pick<StoreFiles, "caCertificate" | "caKey">;

/** Undefined when none is here yet. `MESH_HOME_UNSAFE` when others can read its key. */
export async function readStoreCa(files: CaFiles): Promise<StoreCa | undefined> {
  const certificatePem = await readIfThere(files.caCertificate);
  if (certificatePem === undefined || (await readIfThere(files.caKey)) === undefined) {
    return undefined;
  }
  return checkStoreCa({ certificatePem, privateKeyPem: await readPrivate(files.caKey) });
}

/**
 * Writes what another coordinator handed over. `MESH_CERT_INVALID` when key and certificate do not
 * belong together, or it is no CA.
 */
export async function writeStoreCa(files: CaFiles, ca: StoreCa): Promise<void> {
  checkStoreCa(ca);
  await writePrivate(files.caKey, ca.privateKeyPem);
  await writePrivate(files.caCertificate, ca.certificatePem);
}

/** For the first coordinator of a member: the one that is there, else a new one. */
export async function ensureStoreCa(
  files: CaFiles,
  options: { memberId: string; trustDomain: string; clock: Clock; random: Random },
): Promise<StoreCa> {
  const present = await readStoreCa(files);
  if (present !== undefined) return present;
  const made = await createStoreCa(options);
  await writeStoreCa(files, made);
  return made;
}

function checkStoreCa(ca: StoreCa): StoreCa {
  const certificate = parseCertificate(decodePem("CERTIFICATE", ca.certificatePem));
  if (!certificate.isCa || !holdsKey(certificate.publicKeyDer, ca.privateKeyPem)) {
    throw new MeshError("MESH_CERT_INVALID", {
      message: "the CA of the store and its key do not belong together",
    });
  }
  return ca;
}

function holdsKey(publicKeyDer: Uint8Array, privateKeyPem: string): boolean {
  try {
    const own = createPublicKey(createPrivateKey(privateKeyPem));
    return own.export({ type: "spki", format: "der" }).equals(Buffer.from(publicKeyDer));
  } catch {
    return false;
  }
}
