/**
 * GPT-2's way to write bytes as letters, so that a vocabulary of byte strings is a list of texts:
 * printable bytes are themselves, the others follow from U+0100 on.
 * Source: `bytes_to_unicode` in the code published with GPT-2.
 */
export interface ByteLetters {
  /** Letter of each byte. */
  readonly letters: readonly string[];
  readonly bytes: ReadonlyMap<string, number>;
}

export function makeByteLetters(): ByteLetters {
  const letters: string[] = [];
  let next = 0x100;
  for (let byte = 0; byte < 256; byte += 1) {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    letters.push(String.fromCharCode(isPrintable ? byte : next));
    if (!isPrintable) next += 1;
  }
  return { letters, bytes: new Map(letters.map((letter, byte) => [letter, byte])) };
}
