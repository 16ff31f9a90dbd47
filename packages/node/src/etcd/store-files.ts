/**
 * What the supervised store keeps on disk, and where:
 *
 *     certs/ca/<member>-store-ca.crt, .key  the store CA; every coordinator has its key
 *     certs/store/<name>.crt, .key          of this node's etcd, for its clients and peers
 *     certs/store/<name>-client.crt, .key   with which this node's daemon speaks to etcd
 *     etcd/                                 the data directory of etcd
 *     etcd-member.json                      which cluster this node's etcd belongs to
 *     store.json                            which engine the member's records are kept in
 *     snapshots/                            scheduled snapshots
 *     logs/etcd.log                         what etcd itself says
 */
import { join } from "node:path";
import type { Config } from "../config/config.js";

export interface StoreFiles {
  home: string;
  caCertificate: string;
  caKey: string;
  serverCertificate: string;
  serverKey: string;
  clientCertificate: string;
  clientKey: string;
  data: string;
  membership: string;
  choice: string;
  snapshots: string;
  log: string;
}

export function storeFiles(
  config: Pick<Config, "home" | "certificatesDirectory">,
  who: { memberId: string; name: string },
): StoreFiles {
  const { home, certificatesDirectory } = config;
  const certificate = (ending: string) =>
    join(certificatesDirectory, "store", `${who.name}${ending}`);
  return {
    home,
    caCertificate: join(certificatesDirectory, "ca", `${who.memberId}-store-ca.crt`),
    caKey: join(certificatesDirectory, "ca", `${who.memberId}-store-ca.key`),
    serverCertificate: certificate(".crt"),
    serverKey: certificate(".key"),
    clientCertificate: certificate("-client.crt"),
    clientKey: certificate("-client.key"),
    data: join(home, "etcd"),
    membership: join(home, "etcd-member.json"),
    choice: join(home, "store.json"),
    snapshots: join(home, "snapshots"),
    log: join(home, "logs", "etcd.log"),
  };
}
