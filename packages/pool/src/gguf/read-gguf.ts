/**
 * Reads the header of a GGUF file: metadata and the table of tensors, never the tensors themselves.
 * Nothing is allocated from a number that the file claims before it was held against a limit and
 * the file's size. Errors: `MESH_MODEL_DAMAGED`, `MESH_MODEL_UNSUPPORTED`.
 */
import {
  GGUF_ALIGNMENT_DEFAULT,
  GGUF_MAGIC,
  type Gguf,
  type GgufTensor,
  type GgufValue,
  type RandomAccess,
} from "./gguf.js";
import { HeaderCursor, HeaderIncomplete } from "./header-cursor.js";
import {
  GGUF_ALIGNMENT_BYTES_MAX,
  GGUF_DIMENSIONS_MAX,
  GGUF_HEADER_BYTES_MAX,
  GGUF_HEADER_FIRST_READ_BYTES,
  GGUF_KEY_BYTES_MAX,
  GGUF_METADATA_ENTRIES_MAX,
  GGUF_TENSOR_NAME_BYTES_MAX,
  GGUF_TENSORS_MAX,
} from "./limits.js";
import { damaged, unsupported } from "./model-errors.js";
import { rowBytesOf, TENSOR_TYPES, tensorTypeName, tensorTypeOf } from "./tensor-types.js";

export async function readGguf(source: RandomAccess): Promise<Gguf> {
  const { sizeBytes } = source;
  const most = Math.min(sizeBytes, GGUF_HEADER_BYTES_MAX);
  let bytes = await source.read(0, Math.min(most, GGUF_HEADER_FIRST_READ_BYTES));
  for (;;) {
    try {
      return parseHeader(new HeaderCursor(bytes, sizeBytes), sizeBytes);
    } catch (error) {
      if (!(error instanceof HeaderIncomplete)) throw error;
    }
    if (bytes.length >= most) {
      throw damaged(`the header is longer than ${GGUF_HEADER_BYTES_MAX} bytes`);
    }
    const more = await source.read(bytes.length, Math.min(most - bytes.length, bytes.length));
    const longer = new Uint8Array(bytes.length + more.length);
    longer.set(bytes);
    longer.set(more, bytes.length);
    bytes = longer;
  }
}

function parseHeader(cursor: HeaderCursor, sizeBytes: number): Gguf {
  if (cursor.u32("the first word") !== GGUF_MAGIC) throw damaged("this is not a GGUF file");
  const version = cursor.u32("the version");
  if (version !== 2 && version !== 3) {
    const swapped = (version & 0xffff) === 0;
    throw unsupported(
      swapped
        ? "the file is a big-endian GGUF"
        : `GGUF version ${version} is not supported; versions 2 and 3 are`,
    );
  }
  const tensorCount = cursor.count(GGUF_TENSORS_MAX, "the number of tensors");
  const entryCount = cursor.count(GGUF_METADATA_ENTRIES_MAX, "the number of metadata entries");
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < entryCount; index += 1) {
    const key = cursor.string(GGUF_KEY_BYTES_MAX, "a key of the metadata");
    if (metadata.has(key)) throw damaged(`the metadata has ${key} twice`);
    metadata.set(key, cursor.value(key));
  }
  const alignmentBytes = alignmentOf(metadata);
  const entries: TensorEntry[] = [];
  for (let index = 0; index < tensorCount; index += 1) entries.push(readTensorEntry(cursor));
  const dataOffset = Math.ceil(cursor.position / alignmentBytes) * alignmentBytes;
  const tensors = placeTensors(entries, dataOffset, alignmentBytes, sizeBytes);
  return { version, alignmentBytes, metadata, tensors, dataOffset, sizeBytes };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const entry = metadata.get("general.alignment");
  if (entry === undefined) return GGUF_ALIGNMENT_DEFAULT;
  const value = entry.type === "u32" ? Number(entry.value) : 0;
  const isPowerOfTwo = value > 0 && (value & (value - 1)) === 0;
  if (!isPowerOfTwo || value > GGUF_ALIGNMENT_BYTES_MAX) {
    throw damaged("general.alignment is not a power of two that makes sense");
  }
  return value;
}

interface TensorEntry extends Omit<GgufTensor, "offset"> {
  /** From where the tensors begin. */
  readonly relativeOffset: number;
}

function readTensorEntry(cursor: HeaderCursor): TensorEntry {
  const name = cursor.string(GGUF_TENSOR_NAME_BYTES_MAX, "a tensor's name");
  const dimensionCount = cursor.u32(`the dimensions of ${name}`);
  if (dimensionCount === 0 || dimensionCount > GGUF_DIMENSIONS_MAX) {
    throw damaged(`${name} has ${dimensionCount} dimensions; 1 to ${GGUF_DIMENSIONS_MAX} can be`);
  }
  const dimensions: number[] = [];
  let rows = 1;
  for (let index = 0; index < dimensionCount; index += 1) {
    const dimension = cursor.count(2 ** 40, `dimension ${index} of ${name}`);
    if (dimension === 0) throw damaged(`${name} is empty`);
    if (index > 0) rows *= dimension;
    dimensions.push(dimension);
  }
  const typeId = cursor.u32(`the type of ${name}`);
  const relativeOffset = cursor.count(Number.MAX_SAFE_INTEGER, `the offset of ${name}`);
  const type = tensorTypeOf(typeId);
  if (type === undefined) {
    throw unsupported(
      `the tensor ${name} is of type ${tensorTypeName(typeId)}, which is not supported`,
    );
  }
  const [width = 0] = dimensions;
  if (width % TENSOR_TYPES[type].blockValues !== 0) {
    throw damaged(`a row of ${name} (${width}) is no whole number of blocks of ${type}`);
  }
  const rowBytes = rowBytesOf(type, width);
  const sizeBytes = rowBytes * rows;
  if (!Number.isSafeInteger(sizeBytes)) throw damaged(`${name} is larger than any file`);
  return { name, dimensions, type, relativeOffset, sizeBytes, rows, rowBytes };
}

/** Absolute offsets; each tensor aligned, within the file, and none over another. */
function placeTensors(
  entries: readonly TensorEntry[],
  dataOffset: number,
  alignmentBytes: number,
  fileBytes: number,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { relativeOffset, ...entry } of entries) {
    if (tensors.has(entry.name)) throw damaged(`the tensor ${entry.name} is there twice`);
    if (relativeOffset % alignmentBytes !== 0) {
      throw damaged(`the tensor ${entry.name} is not aligned to ${alignmentBytes} bytes`);
    }
    const offset = dataOffset + relativeOffset;
    if (offset + entry.sizeBytes > fileBytes) {
      const missing = offset + entry.sizeBytes - fileBytes;
      throw damaged(`the file is cut off: ${missing} bytes of ${entry.name} are missing`);
    }
    tensors.set(entry.name, { ...entry, offset });
  }
  let before: GgufTensor | undefined;
  for (const tensor of [...tensors.values()].sort((a, b) => a.offset - b.offset)) {
    if (before !== undefined && tensor.offset < before.offset + before.sizeBytes) {
      throw damaged(`the tensors ${before.name} and ${tensor.name} overlap`);
    }
    before = tensor;
  }
  return tensors;
}
