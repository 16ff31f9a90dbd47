/** Groups of tensors that are allocated together, and errors of native calls. */
import { MeshError } from "@hearthmesh/core";
import { type Pointer, TYPE_IDS, USAGE_WEIGHTS } from "./binding-table.js";
import type { GgmlLibrary } from "./library.js";

export type NativeType = keyof typeof TYPE_IDS;

/** A native call that gave nothing: the memory that it wanted is not there, or a wrong graph. */
export function engineFailed(message: string, cause?: unknown): MeshError {
  return new MeshError("MESH_ENGINE_FAILED", {
    message,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function need(pointer: Pointer | null, what: string): Pointer {
  if (pointer === null) throw engineFailed(`ggml gave nothing for ${what}`);
  return pointer;
}

/** A context that holds descriptions of so many tensors and no numbers. */
export function openContext({ base }: GgmlLibrary, tensors: number, moreBytes = 0): Pointer {
  const mem_size = tensors * base.ggml_tensor_overhead() + moreBytes + 1024;
  return need(base.ggml_init({ mem_size, mem_buffer: null, no_alloc: true }), "a context");
}

/** Tensors of one kind of memory, described first and allocated together. */
export class TensorGroup {
  readonly #library: GgmlLibrary;
  readonly #bufferType: Pointer;
  readonly #context: Pointer;
  #buffer: Pointer | undefined;

  constructor(library: GgmlLibrary, bufferType: Pointer, tensorsMax: number) {
    this.#library = library;
    this.#bufferType = bufferType;
    this.#context = openContext(library, tensorsMax);
  }

  get bufferType(): Pointer {
    return this.#bufferType;
  }

  matrix(type: NativeType, columns: number, rows: number): Pointer {
    const { base } = this.#library;
    const tensor = base.ggml_new_tensor_2d(this.#context, TYPE_IDS[type], columns, rows);
    return need(tensor, "a matrix");
  }

  vector(type: NativeType, length: number): Pointer {
    const { base } = this.#library;
    return need(base.ggml_new_tensor_1d(this.#context, TYPE_IDS[type], length), "a vector");
  }

  /** What `allocate` will take. */
  bytesNeeded(): number {
    const { base } = this.#library;
    return base.ggml_backend_alloc_ctx_tensors_from_buft_size(this.#context, this.#bufferType);
  }

  /** `MESH_ENGINE_FAILED` when the memory is not there. */
  allocate(content: "weights" | "zeros"): void {
    const { base } = this.#library;
    const bytes = this.bytesNeeded();
    if (bytes === 0) return;
    const buffer = this.#library.logging(() =>
      base.ggml_backend_alloc_ctx_tensors_from_buft(this.#context, this.#bufferType),
    );
    if (buffer === null) throw engineFailed(`${bytes} bytes could not be allocated`);
    this.#buffer = buffer;
    if (content === "weights") base.ggml_backend_buffer_set_usage(buffer, USAGE_WEIGHTS);
    else this.clear();
  }

  get buffer(): Pointer {
    if (this.#buffer === undefined) throw engineFailed("tensors were used before their memory");
    return this.#buffer;
  }

  clear(): void {
    this.#library.base.ggml_backend_buffer_clear(this.buffer, 0);
  }

  free(): void {
    const { base } = this.#library;
    if (this.#buffer !== undefined) base.ggml_backend_buffer_free(this.#buffer);
    base.ggml_free(this.#context);
  }
}

/** Rows of a matrix in packed memory, one group of rows after the other. */
export interface PackedMatrix {
  readonly group: TensorGroup;
  readonly tensor: Pointer;
  readonly type: NativeType;
  readonly columns: number;
}

/**
 * Packed memory takes whole tensors only, because it reorders them. It reorders groups of rows,
 * each by itself, so a few groups are a whole tensor too: one at their place in the large one.
 * Returns the writer of the next rows, a whole number of groups but for the last ones.
 */
export function packedWriter(
  library: GgmlLibrary,
  { group, tensor, type, columns }: PackedMatrix,
): (bytes: Uint8Array, rows: number) => void {
  const { base } = library;
  let address = need(base.ggml_get_data(tensor), "the place of a tensor");
  return (bytes, rows) => {
    const context = openContext(library, 1);
    try {
      const piece = need(base.ggml_new_tensor_2d(context, TYPE_IDS[type], columns, rows), "rows");
      base.ggml_backend_tensor_alloc(group.buffer, piece, address);
      base.ggml_backend_tensor_set(piece, bytes, 0, bytes.length);
      address += BigInt(base.ggml_backend_buft_get_alloc_size(group.bufferType, piece));
    } finally {
      base.ggml_free(context);
    }
  };
}
