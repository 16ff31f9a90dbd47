import type { OpenDevice } from "./devices.js";
import type { GgmlLibrary } from "./library.js";
export function selfTest(_library: GgmlLibrary, _device: OpenDevice): void {}
