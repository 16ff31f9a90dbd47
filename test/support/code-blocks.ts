/**
 * Reads a page of documentation as a reader would follow it. Blocks mean this:
 *
 * - `js` and `ts`: a program, named by the comment in its first line (`// hub.mjs`).
 * - `sh`: commands that are run in the page's folder, in their place.
 * - `text` that begins with `$ `: a terminal. The first line is the command, the others are all
 *   that it prints; `...` stands for what differs each time, and `^C` is where the reader
 *   interrupts it.
 *
 * Blocks of other languages, and `text` without a command, are for reading only. All blocks under
 * one heading belong together: its terminals are open at the same time.
 */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
}

export interface PageSection {
  readonly heading: string;
  readonly blocks: readonly CodeBlock[];
}

export interface Program {
  readonly name: string;
  readonly source: string;
  readonly line: number;
}

export interface Terminal {
  /** Such as `PORT=9001 node hub.mjs`. */
  readonly command: string;
  /** What it prints, without the place of the interrupt. */
  readonly output: readonly string[];
  /** Lines before the interrupt, or undefined without one. */
  readonly linesBeforeInterrupt: number | undefined;
  readonly line: number;
}

/** Sections with blocks, in their order. Throws when a fence is not closed. */
export function readPage(markdown: string): PageSection[] {
  const sections: { heading: string; blocks: CodeBlock[] }[] = [];
  let section = { heading: "", blocks: [] as CodeBlock[] };
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    const fence = /^```(\w*)$/.exec(text);
    if (open !== undefined && text === "```") {
      const { language, line, lines } = open;
      section.blocks.push({ language, line, text: lines.join("\n") });
      open = undefined;
    } else if (open !== undefined) {
      open.lines.push(text);
    } else if (fence !== null) {
      open = { language: fence[1] ?? "", line: index + 1, lines: [] };
    } else if (/^#{1,6} /.test(text)) {
      section = { heading: text.replace(/^#+ /, ""), blocks: [] };
      sections.push(section);
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} is not closed`);
  return sections.filter(({ blocks }) => blocks.length > 0);
}

/** Throws when a block of code does not begin with its name. */
export function programsOf({ blocks }: PageSection): Program[] {
  return blocks
    .filter(({ language }) => language === "js" || language === "ts")
    .map(({ language, text, line }) => {
      const name = /^\/\/ ([\w.-]+\.(?:mjs|ts))\n/.exec(text)?.[1];
      if (name === undefined || name.endsWith(".ts") !== (language === "ts")) {
        throw new Error(`the code of line ${line} does not begin with its name, such as // a.mjs`);
      }
      return { name, source: `${text}\n`, line };
    });
}

export function terminalOf({ language, text, line }: CodeBlock): Terminal | undefined {
  if (language !== "text" || !text.startsWith("$ ")) return undefined;
  const [first = "", ...lines] = text.split("\n");
  const interrupt = lines.indexOf("^C");
  return {
    command: first.slice(2),
    output: lines.filter((_, index) => index !== interrupt),
    linesBeforeInterrupt: interrupt < 0 ? undefined : interrupt,
    line,
  };
}

/** Whether these lines are what the page shows, in which `...` stands for anything. */
export function isShown(shown: readonly string[], printed: readonly string[]): boolean {
  return (
    shown.length === printed.length &&
    shown.every((line, index) => {
      const parts = line.split("...").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
      return new RegExp(`^${parts.join(".+")}$`).test(printed[index] ?? "");
    })
  );
}
