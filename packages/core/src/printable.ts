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

/** What JSON leaves as it is, of what `printable` takes out: 8-bit control characters and marks. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** A text of JSON that means the same to a program and commands no terminal. */
export function printableJson(json: string): string {
  return json.replace(UNESCAPED, (mark) => {
    return `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
