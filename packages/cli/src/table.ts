/** Text in columns, for people. */

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * Lines of a table without borders: columns as wide as their widest cell, two spaces between them.
 * `visible` tells how wide a cell is on a terminal, for cells with colours.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: (title: string) => string = (title) => title,
): string[] {
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...rows.map((row) => visibleLength(row[at] ?? ""))),
  );
  const line = (cells: readonly string[], paint: (text: string) => string) =>
    columns
      .map((column, at) => {
        const cell = cells[at] ?? "";
        const padding = " ".repeat(Math.max(0, (widths[at] ?? 0) - visibleLength(cell)));
        return column.align === "right" ? padding + paint(cell) : paint(cell) + padding;
      })
      .join("  ")
      .trimEnd();
  const titles = columns.map((column) => column.title);
  return [line(titles, style), ...rows.map((row) => line(row, (text) => text))];
}

/** Characters that take room: without the sequences that colour them (ECMA-48, SGR). */
function visibleLength(text: string): number {
  let length = 0;
  let inSequence = false;
  for (const character of text) {
    if (character === "\u001b") inSequence = true;
    else if (inSequence) inSequence = character !== "m";
    else length++;
  }
  return length;
}
