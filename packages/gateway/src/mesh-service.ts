/** What the doors need from the node's part of the mesh. */
import type {
  MeshPeersResponse,
  MeshRoutesResponse,
  MeshStatusResponse,
} from "./contracts/mesh.js";
import type { ServiceAddRequest, ServiceView } from "./contracts/services.js";
import type { ServiceProxy } from "./mesh/service-proxy.js";

export interface MeshService {
  status(): MeshStatusResponse;
  peers(): MeshPeersResponse;
  routes(): MeshRoutesResponse;
  services(): ServiceView[];
  /** On this node. `MESH_SERVICE_EXISTS`, `MESH_BAD_REQUEST`, `MESH_LIMIT`. */
  addService(request: ServiceAddRequest): Promise<ServiceView>;
  /** From this node. `MESH_NOT_FOUND`. */
  removeService(name: string): Promise<{ name: string }>;
  readonly proxy: ServiceProxy;
}
