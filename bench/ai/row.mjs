/** Rows of a table in Markdown. */
export const row = (...cells) => `| ${cells.join(" | ")} |`;
export const met = (yes) => (yes ? "met" : "**short**");
