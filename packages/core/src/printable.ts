/** Text from others made harmless for a terminal, a log or a page. */

/** Control characters could move the cursor or hide text: they are shown as `?`. */
export function printable(text: string): string {
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const control = code < 32 || (code >= 127 && code < 160) || isInvisibleControl(code);
    result += control ? "?" : character;
  }
  return result;
}

/** Marks that reorder text on a screen, and the line ends of Unicode. */
function isInvisibleControl(code: number): boolean {
  return (
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    code === 0x2028 ||
    code === 0x2029
  );
}
