/**
 * `npm run bundle [-- folder]`: the daemon and all commands as `dist/mesh.mjs`, for images and
 * machines without a clone. Beside it lie the two programs that run engines in processes of their
 * own; in `parts` what these three load, each part when it is needed, since a process holds the
 * whole text of what it has loaded; and in `node_modules` the packages with binaries, which no
 * bundle can hold. With `--built` nothing is installed or compiled before: an image has done that.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { root, say, setUp } from "./lib.mjs";

const isBuilt = process.argv.includes("--built");
if (!isBuilt) setUp();
const [folder = join(root, "dist")] = process.argv.slice(2).filter((one) => one !== "--built");
const out = resolve(folder);
if (existsSync(join(out, "package.json"))) {
  throw new Error(`${out} is a package of its own: its node_modules would be replaced`);
}
/** They load binaries from their own folders; a bundle cannot hold those. */
const NATIVE = ["libsql", "@napi-rs/blake-hash", "koffi"];
/** Libraries of the engine for this platform, when they are installed; see docs/dependencies.md. */
const ENGINES = "@node-llama-cpp";
const { version } = JSON.parse(readFileSync(join(root, "packages/cli/package.json"), "utf8"));
const page = Object.fromEntries(
  readdirSync(join(root, "packages/gateway/public")).map((name) => [
    name,
    readFileSync(join(root, "packages/gateway/public", name)).toString("base64"),
  ]),
);

/**
 * Files that the packages find by their own place, which a bundle does not have: each is put into
 * the bundle instead. A rule that does not fit any more ends the build.
 */
const EMBEDDED = [
  {
    file: "packages/node/dist/version.js",
    from: 'readFileSync(new URL("../package.json", import.meta.url), "utf8")',
    to: JSON.stringify(JSON.stringify({ version })),
  },
  {
    file: "packages/cli/dist/version.js",
    from: 'await readFile(path, "utf8")',
    to: JSON.stringify(JSON.stringify({ version })),
  },
  {
    file: "packages/gateway/dist/page/page-files.js",
    from: "await readFile(new URL(name, folder))",
    to: `Buffer.from(${JSON.stringify(page)}[name], "base64")`,
  },
  {
    file: "packages/node/dist/config/load.js",
    from: 'createRequire(import.meta.url)("yaml")',
    to: 'require("yaml")',
  },
  {
    file: "packages/pool/dist/ring/start-ring-worker.js",
    from: "./worker-main.js",
    to: "../ring-worker.mjs",
  },
  {
    file: "packages/pool/dist/runtime/measure-engine.js",
    from: "./measure-engine-child.js",
    to: "../measure-engine.mjs",
  },
  {
    file: "packages/node/dist/models/demo-path.js",
    from: "`./$",
    to: "`../$",
  },
];

const embed = {
  name: "embed",
  setup({ onLoad, onEnd }) {
    const used = new Set();
    onLoad({ filter: /[\\/]packages[\\/]\w+[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
      const name = relative(root, path).replaceAll("\\", "/");
      const rules = EMBEDDED.filter(({ file }) => file === name);
      if (rules.length === 0) return undefined;
      let contents = readFileSync(path, "utf8");
      for (const { file, from, to } of rules) {
        if (!contents.includes(from)) throw new Error(`${file} does not hold ${from} any more`);
        contents = contents.replace(from, () => to);
        used.add(file);
      }
      return { contents, loader: "js", resolveDir: dirname(path) };
    });
    onEnd(() => {
      const unused = EMBEDDED.filter(({ file }) => !used.has(file));
      if (unused.length > 0) throw new Error(`not in the bundle: ${unused.map((one) => one.file)}`);
    });
  },
};

/** What CommonJS packages expect, in a module. */
const banner = [
  'import { createRequire as __createRequire } from "node:module";',
  'import { fileURLToPath as __fileURLToPath } from "node:url";',
  'import { dirname as __pathDirname } from "node:path";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = __fileURLToPath(import.meta.url);",
  "const __dirname = __pathDirname(__filename);",
].join("\n");

const PARTS = "parts";
// Their names change with what they hold: nothing of an earlier build may stay.
rmSync(join(out, PARTS), { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: {
    mesh: join(root, "packages/cli/bin/mesh.js"),
    "ring-worker": join(root, "packages/pool/dist/ring/worker-main.js"),
    "measure-engine": join(root, "packages/pool/dist/runtime/measure-engine-child.js"),
  },
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  chunkNames: `${PARTS}/[name]-[hash]`,
  // Names stay, and lines too, as far as a stack trace needs them.
  minifyWhitespace: true,
  lineLimit: 100,
  platform: "node",
  target: "node20",
  format: "esm",
  external: NATIVE,
  banner: { js: banner },
  legalComments: "external",
  metafile: true,
  logLevel: "warning",
  plugins: [embed],
});

function isForHere({ os = [process.platform], cpu = [process.arch] }) {
  return os.includes(process.platform) && cpu.includes(process.arch);
}

/** A package and what it needs at run time, as far as it is installed here: name -> folder. */
function withDependencies(name, from, found = new Map()) {
  const folder = createRequire(join(from, "package.json"))
    .resolve.paths(name)
    .map((place) => join(place, name))
    .find((place) => existsSync(join(place, "package.json")));
  if (folder === undefined || found.has(name)) return found;
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const { dependencies, optionalDependencies } = manifest;
  if (!isForHere(manifest)) return found;
  found.set(name, folder);
  const needed = Object.keys({ ...dependencies, ...optionalDependencies });
  for (const one of needed) withDependencies(one, folder, found);
  return found;
}

const engines = join(root, "node_modules", ENGINES);
const installed = existsSync(engines) ? readdirSync(engines) : [];
const packages = new Map();
for (const name of [...NATIVE, ...installed.map((one) => `${ENGINES}/${one}`)]) {
  withDependencies(name, root, packages);
}
rmSync(join(out, "node_modules"), { recursive: true, force: true });
for (const [name, folder] of packages) {
  const isOwn = (path) => !relative(folder, path).split(/[\\/]/).includes("node_modules");
  const options = { recursive: true, dereference: true, filter: isOwn };
  cpSync(folder, join(out, "node_modules", name), options);
}
const model = "hearthmesh-demo.gguf";
mkdirSync(out, { recursive: true });
copyFileSync(join(root, "models", "demo", model), join(out, model));
const scripts = Object.entries(metafile.outputs).filter(([path]) => path.endsWith(".mjs"));
for (const [path, { entryPoint }] of scripts) {
  if (entryPoint !== undefined && dirname(resolve(path)) === out) say(path);
}
const bytes = scripts.reduce((sum, [, output]) => sum + output.bytes, 0);
say(`with ${PARTS}, ${scripts.length} files: ${(bytes / 2 ** 20).toFixed(1)} MiB`);
say(`beside it, in node_modules: ${[...packages.keys()].join(", ")}`);
