/**
 * Every function and number of ggml that the engine uses, in one place: when the pinned libraries
 * change, this is the file to look at. Signatures as in `ggml.h`, `ggml-alloc.h`, `ggml-backend.h`
 * and `ggml-cpu.h` of ggml 0.25 (the release in `@node-llama-cpp/*` 3.22.1).
 */
import type { TensorType } from "../../model/model-shape.js";

/** The address of something in native memory. */
export type Pointer = bigint;

/** C types by the names that `library.ts` hands to koffi; `memory` is a buffer of ours. */
interface CTypes {
  pointer: Pointer | null;
  memory: Uint8Array | Float32Array | Int32Array | BigInt64Array | Uint16Array;
  text: string;
  int: number;
  long: number;
  size: number;
  byte: number;
  float: number;
  flag: boolean;
  none: undefined;
  initParams: {
    readonly mem_size: number;
    readonly mem_buffer: null;
    readonly no_alloc: boolean;
  };
}
export type CType = keyof CTypes;

export interface Signature<R extends CType, A extends readonly CType[]> {
  readonly result: R;
  readonly parameters: A;
}

type Values<A extends readonly CType[]> = { [I in keyof A]: CTypes[A[I]] };

/** The functions of a table as TypeScript calls them. */
export type Calls<T> = {
  readonly [N in keyof T]: T[N] extends Signature<infer R, infer A>
    ? (...values: Values<A>) => CTypes[R]
    : never;
};

function returns<const R extends CType, const A extends readonly CType[]>(
  result: R,
  ...parameters: A
): Signature<R, A> {
  return { result, parameters };
}

/** In `libggml-base`. */
export const BASE_FUNCTIONS = {
  ggml_log_set: returns("none", "pointer", "pointer"),
  ggml_init: returns("pointer", "initParams"),
  ggml_free: returns("none", "pointer"),
  ggml_tensor_overhead: returns("size"),
  ggml_graph_overhead_custom: returns("size", "size", "flag"),
  ggml_nbytes: returns("size", "pointer"),
  ggml_new_tensor_1d: returns("pointer", "pointer", "int", "long"),
  ggml_new_tensor_2d: returns("pointer", "pointer", "int", "long", "long"),
  ggml_new_graph_custom: returns("pointer", "pointer", "size", "flag"),
  ggml_build_forward_expand: returns("none", "pointer", "pointer"),
  ggml_graph_n_nodes: returns("int", "pointer"),
  ggml_graph_node: returns("pointer", "pointer", "int"),
  ggml_op_desc: returns("text", "pointer"),
  ggml_set_output: returns("none", "pointer"),
  ggml_add: returns("pointer", "pointer", "pointer", "pointer"),
  ggml_mul: returns("pointer", "pointer", "pointer", "pointer"),
  ggml_mul_mat: returns("pointer", "pointer", "pointer", "pointer"),
  ggml_rms_norm: returns("pointer", "pointer", "pointer", "float"),
  ggml_rope_ext: returns(
    ...(["pointer", "pointer", "pointer", "pointer", "pointer", "int", "int", "int"] as const),
    ...(["float", "float", "float", "float", "float", "float"] as const),
  ),
  ggml_set_rows: returns("pointer", "pointer", "pointer", "pointer", "pointer"),
  ggml_flash_attn_ext: returns(
    ...(["pointer", "pointer", "pointer", "pointer", "pointer", "pointer"] as const),
    ...(["float", "float", "float"] as const),
  ),
  ggml_flash_attn_ext_set_prec: returns("none", "pointer", "int"),
  ggml_swiglu_split: returns("pointer", "pointer", "pointer", "pointer"),
  ggml_reshape_2d: returns("pointer", "pointer", "pointer", "long", "long"),
  ggml_reshape_3d: returns("pointer", "pointer", "pointer", "long", "long", "long"),
  ggml_permute: returns("pointer", "pointer", "pointer", "int", "int", "int", "int"),
  ggml_view_1d: returns("pointer", "pointer", "pointer", "long", "size"),
  ggml_view_2d: returns("pointer", "pointer", "pointer", "long", "long", "size", "size"),
  ggml_view_3d: returns(
    ...(["pointer", "pointer", "pointer", "long", "long", "long", "size", "size", "size"] as const),
  ),
  ggml_gallocr_new: returns("pointer", "pointer"),
  ggml_gallocr_free: returns("none", "pointer"),
  ggml_gallocr_reserve: returns("flag", "pointer", "pointer"),
  ggml_gallocr_alloc_graph: returns("flag", "pointer", "pointer"),
  ggml_gallocr_get_buffer_size: returns("size", "pointer", "int"),
  ggml_backend_alloc_ctx_tensors_from_buft: returns("pointer", "pointer", "pointer"),
  ggml_backend_alloc_ctx_tensors_from_buft_size: returns("size", "pointer", "pointer"),
  ggml_backend_buft_name: returns("text", "pointer"),
  ggml_backend_buft_get_alloc_size: returns("size", "pointer", "pointer"),
  ggml_backend_buffer_free: returns("none", "pointer"),
  ggml_backend_buffer_clear: returns("none", "pointer", "byte"),
  ggml_backend_buffer_get_size: returns("size", "pointer"),
  ggml_backend_buffer_set_usage: returns("none", "pointer", "int"),
  ggml_get_data: returns("pointer", "pointer"),
  ggml_backend_tensor_alloc: returns("int", "pointer", "pointer", "pointer"),
  ggml_backend_tensor_set: returns("none", "pointer", "memory", "size", "size"),
  ggml_backend_tensor_get: returns("none", "pointer", "memory", "size", "size"),
  ggml_backend_tensor_memset: returns("none", "pointer", "byte", "size", "size"),
  ggml_backend_graph_compute: returns("int", "pointer", "pointer"),
  ggml_backend_free: returns("none", "pointer"),
  ggml_backend_dev_init: returns("pointer", "pointer", "pointer"),
  ggml_backend_dev_name: returns("text", "pointer"),
  ggml_backend_dev_description: returns("text", "pointer"),
  ggml_backend_dev_type: returns("int", "pointer"),
  ggml_backend_dev_memory: returns("none", "pointer", "memory", "memory"),
  ggml_backend_dev_backend_reg: returns("pointer", "pointer"),
  ggml_backend_dev_buffer_type: returns("pointer", "pointer"),
  ggml_backend_dev_supports_op: returns("flag", "pointer", "pointer"),
  ggml_backend_reg_get_proc_address: returns("pointer", "pointer", "text"),
  ggml_threadpool_params_init: returns("none", "memory", "int"),
} as const;

/** In `libggml`: the registry of devices. */
export const REGISTRY_FUNCTIONS = {
  ggml_backend_load: returns("pointer", "text"),
  ggml_backend_load_all_from_path: returns("none", "text"),
  ggml_backend_dev_count: returns("size"),
  ggml_backend_dev_get: returns("pointer", "size"),
} as const;

/** What a device's own library offers by name; a GPU has none of the CPU's. */
export const DEVICE_FUNCTIONS = {
  ggml_backend_set_n_threads: returns("none", "pointer", "int"),
  ggml_backend_dev_get_extra_bufts: returns("pointer", "pointer"),
  ggml_backend_get_features: returns("pointer", "pointer"),
  ggml_threadpool_new: returns("pointer", "memory"),
  ggml_threadpool_free: returns("none", "pointer"),
  ggml_backend_cpu_set_threadpool: returns("none", "pointer", "pointer"),
} as const;

/** A function without effect that any callback may be pointed at: what silences ggml's log. */
export const HARMLESS_FUNCTION = "ggml_cycles";

/** `enum ggml_type`. */
export const TYPE_IDS: Readonly<Record<TensorType | "I32" | "I64", number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  I32: 26,
  I64: 27,
  BF16: 30,
};
/** Values of the `mode` of `ggml_rope_ext`. */
export const ROPE_MODES = { interleaved: 0, halves: 2 } as const;
/** `enum ggml_backend_dev_type`, by its numbers. */
export const DEVICE_TYPES = ["cpu", "gpu", "integrated-gpu", "accelerator", "meta"] as const;
/** `GGML_BACKEND_BUFFER_USAGE_WEIGHTS`. */
export const USAGE_WEIGHTS = 1;
/** `GGML_PREC_F32`. */
export const PRECISION_F32 = 10;
/** `GGML_STATUS_SUCCESS`. */
export const STATUS_SUCCESS = 0;
/** `enum ggml_log_level`, by its numbers; the last one goes on with the line before. */
export const LOG_LEVELS = ["none", "debug", "info", "warn", "error", "continued"] as const;
/** `struct ggml_threadpool_params`: its size, and where `poll` (u32) stands. */
export const THREADPOOL_PARAMS = { bytes: 528, pollOffset: 520 } as const;
