/**
 * The programs of the transport guide, as they stand in its text, run as processes. Only the name
 * of the package that they import is changed.
 */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { endOf } from "./json-child.js";

const GUIDE_PATH = fileURLToPath(
  new URL("../../../shared/guides/2-transport-tutorial.md", import.meta.url),
);
const PACKAGE = new URL("../../packages/qwormhole/dist/index.js", import.meta.url);
/** For the error message; nothing is measured by it. */
const SAYS_TIMEOUT_MS = 60_000;
const GUIDE_PACKAGE = "@gsknnft/qwormhole";

/** Why the guide's programs cannot be run; undefined when they can. */
export function whyNoGuide(): string | undefined {
  return existsSync(GUIDE_PATH) ? undefined : "needs the transport guide beside the repository";
}

/** The blocks of TypeScript, in their order. */
export function guideBlocks(): string[] {
  const text = readFileSync(GUIDE_PATH, "utf8");
  return [...text.matchAll(/^```typescript\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "");
}

/** The one block that has this text. */
export function guideBlock(part: string): string {
  const found = guideBlocks().filter((block) => block.includes(part));
  if (found.length !== 1) throw new Error(`${found.length} blocks of the guide have ${part}`);
  return found[0] as string;
}

/** What the fragments of the guide leave out. */
export function withImport(block: string): string {
  const hasImport = /^import /m.test(block);
  const names = "{ QWormholeClient, QWormholeServer }";
  return hasImport ? block : `import ${names} from ${JSON.stringify(GUIDE_PACKAGE)};\n${block}`;
}

/** The lines of a block that are commented out under "// Usage:". */
export function usageOf(block: string): string {
  const [, usage = ""] = block.split("// Usage:\n");
  return usage.replace(/^\/\/ ?/gm, "");
}

/** Writes the program as JavaScript that imports the built package. */
export function writeProgram(path: string, source: string): void {
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText } = ts.transpileModule(source, { compilerOptions: options });
  writeFileSync(path, outputText.replaceAll(GUIDE_PACKAGE, PACKAGE.href));
}

/** What the compiler has to say about the programs against the types of the built package. */
export function typeErrors(paths: readonly string[], typeRoots: string): string[] {
  const program = ts.createProgram([...paths], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: ["node"],
    typeRoots: [typeRoots],
    paths: { [GUIDE_PACKAGE]: [fileURLToPath(PACKAGE).replace(/\.js$/, ".d.ts")] },
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${file?.fileName}:${line} ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}

/** A running program and what it has written so far. */
export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  #text = "";
  #ended = false;
  #onText = () => {};

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#text += text;
        this.#onText();
      });
    }
    child.once("close", () => {
      this.#ended = true;
      this.#onText();
    });
  }

  get text(): string {
    return this.#text;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves when all the texts were written, in any order. */
  async says(...texts: string[]): Promise<void> {
    const missing = () => texts.filter((text) => !this.#text.includes(text));
    const late = new Promise<"late">((resolve) => {
      setTimeout(resolve, SAYS_TIMEOUT_MS, "late").unref();
    });
    while (missing().length > 0) {
      const more = new Promise<void>((resolve) => {
        this.#onText = resolve;
      });
      const isLate = !this.#ended && (await Promise.race([more, late])) === "late";
      if (missing().length > 0 && (isLate || this.#ended)) {
        throw new Error(`the program did not write ${missing()}; it wrote: ${this.#text}`);
      }
    }
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    return endOf(this.#child, () => this.#child.kill(signal));
  }
}
