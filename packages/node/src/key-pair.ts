/** A key pair from its private half. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { type KeyPairPem, nodeIdOfPublicKey } from "@hearthmesh/identity";

export function keyPairOf(privateKeyPem: string): KeyPairPem {
  const key = createPublicKey(createPrivateKey(privateKeyPem));
  const publicKeyPem = key.export({ type: "spki", format: "pem" });
  const nodeId = nodeIdOfPublicKey(key.export({ type: "spki", format: "der" }));
  return { privateKeyPem, publicKeyPem: publicKeyPem.toString(), nodeId };
}
