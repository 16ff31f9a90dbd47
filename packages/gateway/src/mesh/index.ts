/** The proxy to the services of the mesh. */
export type { ProxyTarget, ServiceProxyOptions } from "./proxy-options.js";
export { type HandleOptions, ServiceProxy } from "./service-proxy.js";
export { refuseUpgrade, TCP_UPGRADE } from "./upgrades.js";
