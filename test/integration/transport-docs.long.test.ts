/**
 * The pages of `docs/transport` are true: each program on them is written to a folder, run as a
 * real process against the built package, and prints what the page shows beside it. What is
 * replaced stands in `page-run.ts`; how a page is read, in `code-blocks.ts`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createProgram,
  flattenDiagnosticMessageText,
  getPreEmitDiagnostics,
  ModuleKind,
  ModuleResolutionKind,
  ScriptTarget,
} from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  isShown,
  type PageSection,
  programsOf,
  readPage,
  terminalOf,
} from "../support/code-blocks.js";
import { PageRun } from "../support/page-run.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const names = ["README", "tutorial", "tls-examples", "deployment-patterns"];
const pages = names.map((name) => {
  const markdown = readFileSync(join(root, "docs/transport", `${name}.md`), "utf8");
  return { name, markdown, sections: readPage(markdown) };
});

/** Programs of the system that the pages use beside Node. */
const TOOLS = ["openssl", "curl"];
const missing = TOOLS.filter((tool) => spawnSync(tool, ["version"]).error !== undefined);

/** Not for reading only. */
function isDone(section: PageSection): boolean {
  const { blocks } = section;
  const hasCommands = blocks.some((block) => block.language === "sh" || terminalOf(block));
  return hasCommands || programsOf(section).length > 0;
}

function toolsOf({ blocks }: PageSection): string[] {
  const shell = blocks.filter(
    (block) => block.language === "sh" || terminalOf(block) !== undefined,
  );
  return TOOLS.filter((tool) => shell.some(({ text }) => new RegExp(`\\b${tool}\\b`).test(text)));
}

describe.each(pages)("the page $name", ({ sections, markdown }) => {
  let run: PageRun;
  beforeAll(() => {
    run = new PageRun();
  });
  afterAll(() => run.close());
  // What a section makes, such as certificates, later ones need.
  let isWithout: string | undefined;

  for (const section of sections.filter(isDone)) {
    isWithout ??= toolsOf(section).find((tool) => missing.includes(tool));
    const why = isWithout === undefined ? "" : ` (needs the program ${isWithout})`;
    it.skipIf(isWithout !== undefined)(`${section.heading || "top"}${why}`, async () => {
      await run.runSection(section);
    });
  }

  it("shows no program that it does not run", () => {
    const programs = sections.flatMap(programsOf);
    const commands = sections.flatMap(({ blocks }) =>
      blocks.flatMap((block) => terminalOf(block)?.command ?? []),
    );
    const used = [...commands, ...programs.map(({ source }) => source.replace(/^.*\n/, ""))];
    const idle = programs.filter(({ name }) => !used.some((text) => text.includes(name)));
    expect(idle.map(({ name, line }) => `${line}: ${name}`)).toEqual([]);
  });

  it("has no line over 120 columns but rows of tables", () => {
    const long = markdown
      .split("\n")
      .flatMap((line, index) => (/^(?!\|).{121,}$/.test(line) ? [index + 1] : []));
    expect(long).toEqual([]);
  });
});

/** "is possibly undefined", "is of type unknown". */
const VALUE_CODES = [2532, 2571, 18_046, 18_048];

/**
 * JavaScript is checked for names of options, methods and events. It cannot narrow what is
 * `unknown` (values of a peer) or an `Error` with a code as briefly as a page wants to.
 */
function typeErrors(files: readonly string[], strict: boolean): string[] {
  const program = createProgram(files, {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    strict: true,
    ...(strict
      ? {}
      : { noImplicitAny: false, strictFunctionTypes: false, useUnknownInCatchVariables: false }),
    skipLibCheck: true,
    module: ModuleKind.NodeNext,
    moduleResolution: ModuleResolutionKind.NodeNext,
    target: ScriptTarget.ES2022,
    typeRoots: [join(root, "node_modules/@types")],
    types: ["node"],
  });
  return getPreEmitDiagnostics(program).flatMap(({ code, file, start = 0, messageText }) => {
    const text = flattenDiagnosticMessageText(messageText, " ");
    const isOfUnknown = VALUE_CODES.includes(code) || /on type '(Error|\{\}|unknown)'/.test(text);
    if (!strict && isOfUnknown) return [];
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${file?.fileName.split("/").slice(-2).join("/")}:${line} ${text}`;
  });
}

describe("the programs of all pages", () => {
  let run: PageRun;
  beforeAll(() => {
    run = new PageRun();
  });
  afterAll(() => run.close());

  it("fit the package's types", () => {
    const files = pages.flatMap(({ name, sections }) => {
      const folder = join(run.folder, name);
      mkdirSync(folder);
      return sections.flatMap(programsOf).map(({ name: file, source }) => {
        const path = join(folder, file);
        writeFileSync(path, source);
        return path;
      });
    });
    const isTypeScript = (file: string) => file.endsWith(".ts");
    const found = [
      ...typeErrors(files.filter(isTypeScript), true),
      ...typeErrors(
        files.filter((file) => !isTypeScript(file)),
        false,
      ),
    ];
    expect(files.length).toBeGreaterThan(20);
    expect(found).toEqual([]);
  });
});

describe("the reader of pages", () => {
  it("finds sections, programs and terminals", () => {
    const page =
      "# T\n\n## One\n\n```js\n// a.mjs\nx();\n```\n\n```text\n$ node a.mjs\nhi\n^C\n```\n";
    const [section] = readPage(page);
    expect(section?.heading).toBe("One");
    expect(programsOf(section as PageSection)).toEqual([
      { name: "a.mjs", source: "// a.mjs\nx();\n", line: 5 },
    ]);
    expect(terminalOf((section as PageSection).blocks[1] as never)).toMatchObject({
      command: "node a.mjs",
      output: ["hi"],
      linesBeforeInterrupt: 1,
    });
  });

  it("refuses code without a name, and blocks without an end", () => {
    const [section] = readPage("# T\n\n```js\nx();\n```\n");
    expect(() => programsOf(section as PageSection)).toThrow("line 3");
    expect(() => readPage("# T\n\n```js\nx();\n")).toThrow("not closed");
  });

  it("takes dots for anything, and nothing else", () => {
    expect(isShown(["id ... of (1)"], ["id abc of (1)"])).toBe(true);
    expect(isShown(["id ... of (1)"], ["id abc of (2)"])).toBe(false);
    expect(isShown(["one"], ["one", "two"])).toBe(false);
  });
});
