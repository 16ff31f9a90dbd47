/** How tensors lie in a GGUF file: numbers per block and bytes per block of each type. */
import type { TensorType } from "../model/model-shape.js";

export interface TensorTypeLayout {
  /** The number that GGUF writes for it. */
  readonly id: number;
  /** Numbers that are stored together; a row is a whole number of blocks. */
  readonly blockValues: number;
  readonly blockBytes: number;
}

/** Source: `ggml_type` and the block structures of ggml. */
export const TENSOR_TYPES: Readonly<Record<TensorType, TensorTypeLayout>> = {
  F32: { id: 0, blockValues: 1, blockBytes: 4 },
  F16: { id: 1, blockValues: 1, blockBytes: 2 },
  BF16: { id: 30, blockValues: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockValues: 32, blockBytes: 18 },
  Q8_0: { id: 8, blockValues: 32, blockBytes: 34 },
  Q4_K: { id: 12, blockValues: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockValues: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockValues: 256, blockBytes: 210 },
};

const BY_ID = new Map(
  Object.entries(TENSOR_TYPES).map(([name, { id }]) => [id, name as TensorType]),
);

/** Types that ggml has and the engines do not, so that they can be refused by name. */
const OTHER_NAMES: ReadonlyMap<number, string> = new Map([
  ...([
    [3, "Q4_1"],
    [6, "Q5_0"],
    [7, "Q5_1"],
    [9, "Q8_1"],
    [10, "Q2_K"],
    [11, "Q3_K"],
  ] as const),
  ...([
    [15, "Q8_K"],
    [16, "IQ2_XXS"],
    [17, "IQ2_XS"],
    [18, "IQ3_XXS"],
    [19, "IQ1_S"],
  ] as const),
  ...([
    [20, "IQ4_NL"],
    [21, "IQ3_S"],
    [22, "IQ2_S"],
    [23, "IQ4_XS"],
    [24, "I8"],
  ] as const),
  ...([
    [25, "I16"],
    [26, "I32"],
    [27, "I64"],
    [28, "F64"],
    [29, "IQ1_M"],
  ] as const),
  ...([
    [34, "TQ1_0"],
    [35, "TQ2_0"],
    [39, "MXFP4"],
    [40, "NVFP4"],
  ] as const),
]);

export function tensorTypeOf(id: number): TensorType | undefined {
  return BY_ID.get(id);
}

/** For messages, also of types that are not supported. */
export function tensorTypeName(id: number): string {
  return BY_ID.get(id) ?? OTHER_NAMES.get(id) ?? `number ${id}`;
}

/** Bytes of one row of so many numbers, which is a whole number of blocks. */
export function rowBytesOf(type: TensorType, values: number): number {
  const { blockValues, blockBytes } = TENSOR_TYPES[type];
  return (values / blockValues) * blockBytes;
}
