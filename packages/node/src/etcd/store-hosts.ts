/** Under which hosts the other coordinators reach the etcd of this machine. */
import { outsideAddresses } from "../addresses.js";
import type { Config } from "../config/config.js";

/** Without ports, as certificates and URLs of etcd name them. */
export function storeHosts({ store, advertise }: Pick<Config, "store" | "advertise">): string[] {
  return outsideAddresses(store.client, advertise).map((address) =>
    address.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""),
  );
}
