/**
 * A 64-bit hash of activations, by which members notice that they no longer have the same ones. It
 * finds faults, not lies: a member that wants to deceive can send any hash.
 */

/** Two multiplicative hashes of 32 bits over the words, with different odd factors (Knuth). */
export function hashActivations(values: Float32Array): readonly [number, number] {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as number;
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul((high ^ word) + (high << 13), 0x85ebca6b);
    low ^= low >>> 15;
    high ^= high >>> 16;
  }
  return [low >>> 0, high >>> 0];
}
