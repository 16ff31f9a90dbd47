/**
 * CBOR (RFC 8949), the part that JavaScript values need. `cbor-decoder.ts` reads, `cbor-encoder.ts`
 * writes:
 *
 * | value | on the wire |
 * |---|---|
 * | null, undefined, booleans | simple values 22, 23, 20, 21 |
 * | a safe integer | major type 0 or 1, shortest form |
 * | any other number | float of 16, 32 or 64 bits, the shortest that is exact |
 * | bigint from -2^64 to 2^64 - 1 | major type 0 or 1; comes back as a bigint when not safe |
 * | string | UTF-8 text; a lone surrogate has none and is refused |
 * | Uint8Array, Buffer | byte string; comes back as a copy of its own in a plain Uint8Array |
 * | array, plain object | array, map with text keys; a key of a map stands there once |
 * | Date | tag 1, seconds since 1970, with a fraction when it has milliseconds |
 *
 * Indefinite lengths, other tags and simple values, other keys, and bytes after the value are
 * refused, and so are more than `CBOR_DEPTH_MAX` levels and `CBOR_OBJECTS_MAX` objects.
 */
export { decodeCbor } from "./cbor-decoder.js";
export { encodeCbor } from "./cbor-encoder.js";
