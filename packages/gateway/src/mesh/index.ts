/** The proxy to the services of the mesh. */
export { ServiceProxy } from "./service-proxy.js";
export { refuseUpgrade, TCP_UPGRADE } from "./upgrades.js";
