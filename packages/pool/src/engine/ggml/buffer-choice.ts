/**
 * In which memory the weights of a product lie. A processor's fast kernels want weights in an order
 * of their own, in memory of a kind of its own, and only for some types and sizes; a tensor in the
 * wrong kind ends the process. So the device is asked for every type and size, best kind first.
 */
import type { TensorType } from "../../model/model-shape.js";
import { type Pointer, TYPE_IDS } from "./binding-table.js";
import type { OpenDevice } from "./devices.js";
import type { GgmlLibrary } from "./library.js";
import { engineFailed, need, openContext } from "./native.js";

/** Packed kinds work on groups of rows; all groups in use divide it. */
export const PACKED_ROWS_UNIT = 32;
/** A product is asked about with fewer rows than it has: only the remainder matters. */
const ASKED_ROWS = 256;
/** Rows of activations in the question. */
const ACTIVATION_ROWS = 32;

export class BufferChoice {
  readonly #library: GgmlLibrary;
  readonly #device: OpenDevice;
  readonly #known = new Map<string, Pointer>();

  constructor(library: GgmlLibrary, device: OpenDevice) {
    this.#library = library;
    this.#device = device;
  }

  /** `MESH_ENGINE_FAILED` when the device cannot multiply with this type at all. */
  forProduct(type: TensorType, columns: number, rows: number): Pointer {
    const asked = rows <= ASKED_ROWS ? rows : ASKED_ROWS + (rows % ASKED_ROWS);
    const key = `${type} ${columns} ${asked}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { weightBufferTypes, bufferType, name } = this.#device;
    const chosen = [...weightBufferTypes, bufferType].find((candidate) =>
      this.#supports(candidate, type, columns, asked),
    );
    if (chosen === undefined) {
      throw engineFailed(`the device ${name} cannot multiply with weights of type ${type}`);
    }
    this.#known.set(key, chosen);
    return chosen;
  }

  /** The kind that takes every tensor in its plain order. */
  get plain(): Pointer {
    return this.#device.bufferType;
  }

  #supports(bufferType: Pointer, type: TensorType, columns: number, rows: number): boolean {
    const { base } = this.#library;
    const context = openContext(this.#library, 3);
    let buffer: Pointer | null = null;
    try {
      const weights = base.ggml_new_tensor_2d(context, TYPE_IDS[type], columns, rows);
      // The answer depends on where the tensor is: it has to be somewhere.
      buffer = base.ggml_backend_alloc_ctx_tensors_from_buft(context, bufferType);
      if (buffer === null) return false;
      const x = base.ggml_new_tensor_2d(context, TYPE_IDS.F32, columns, ACTIVATION_ROWS);
      const product = need(base.ggml_mul_mat(context, weights, x), "a product");
      return base.ggml_backend_dev_supports_op(this.#device.device, product);
    } finally {
      if (buffer !== null) base.ggml_backend_buffer_free(buffer);
      base.ggml_free(context);
    }
  }
}
