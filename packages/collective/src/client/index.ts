/**
 * Reading and writing files from anywhere: `FileClient` over a `CoordinatorPort` and `NodeLinks`.
 * `LinkPool` and `coordinatorOverLink` are the ones for a network.
 */
export { coordinatorOverLink } from "./coordinator-link.js";
export {
  FileClient,
  type OpenFile,
  type PageOptions,
  type ReadOptions,
  type WriteOptions,
} from "./file-client.js";
export { type DialNode, LinkPool, type LinkPoolOptions } from "./link-pool.js";
export type { CoordinatorPort, FileClientOptions, NodeLinks } from "./ports.js";
export type { WriteProgress } from "./upload.js";
