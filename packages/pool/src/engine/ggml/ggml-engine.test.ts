import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type LogFields, type Logger, silentLogger } from "@hearthmesh/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engineOptions, type ModelFile, ModelFiles } from "../../testing/model-files.js";
import { openDevice } from "./devices.js";
import { engineInfo } from "./engine-info.js";
import { GraphCache } from "./graph-cache.js";
import { KeyValueCache } from "./key-value-cache.js";
import { type GgmlLibrary, loadLibrary } from "./library.js";
import { measureBandwidth } from "./measure-bandwidth.js";
import { need, TensorGroup } from "./native.js";
import { openGgmlEngine } from "./open-ggml-engine.js";
import { selfTest } from "./self-test.js";

let files: ModelFiles;
let file: ModelFile;
let library: GgmlLibrary;

beforeAll(async () => {
  files = new ModelFiles();
  file = await files.write();
  library = await loadLibrary(undefined, silentLogger);
});
afterAll(() => files.remove());

describe("the libraries", () => {
  it("are described with their devices and the kinds of memory", async () => {
    const { folder, devices } = await engineInfo({ logger: silentLogger });
    expect(readdirSync(folder).some((name) => name.includes("ggml"))).toBe(true);
    const cpu = devices.find(({ kind }) => kind === "cpu");
    expect(cpu?.bufferTypes.at(-1)).toBe("CPU");
    expect(cpu?.totalBytes).toBeGreaterThan(0);
    expect(cpu?.features.length).toBeGreaterThan(0);
  });

  it("can lie in a folder that is named, and say what it lacks", async () => {
    const root = mkdtempSync(join(tmpdir(), "hearthmesh-libraries-"));
    const names = readdirSync(library.folder).filter((name) => /ggml/.test(name));
    const folderWith = (name: string, base: string) => {
      const folder = join(root, name);
      mkdirSync(folder);
      for (const file of names) {
        const isBase = /ggml-base\./.test(file);
        symlinkSync(isBase ? base : join(library.folder, file), join(folder, file));
      }
      return folder;
    };
    const infoOf = (libraryFolder: string) => engineInfo({ logger: silentLogger, libraryFolder });
    const own = names.find((name) => /ggml-base\./.test(name)) ?? "";
    try {
      await expect(infoOf(root)).rejects.toMatchObject({
        code: "MESH_ENGINE_MISSING",
        message: expect.stringContaining("libggml-base"),
      });
      const right = folderWith("right", join(library.folder, own));
      expect((await infoOf(right)).folder).toBe(right);
      await expect(infoOf(folderWith("other", foreignLibrary()))).rejects.toMatchObject({
        code: "MESH_ENGINE_MISSING",
        message: expect.stringContaining("ggml_gallocr_new"),
      });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  it("say their messages to the logger while they load", () => {
    const lines: [string, LogFields | undefined][] = [];
    const logger: Logger = { ...silentLogger, error: (text, fields) => lines.push([text, fields]) };
    const { registry } = library;
    return loadLibrary(undefined, logger).then((loud) => {
      loud.logging(() => loud.registry.ggml_backend_load("/there/is/no/such.so"));
      expect(lines).toHaveLength(1);
      expect(lines[0]?.[1]?.reason).toContain("such.so");
      registry.ggml_backend_load("/there/is/no/such.so");
      expect(lines).toHaveLength(1);
    });
  });

  it("have no device of an unknown name", async () => {
    const surroundings = { logger: silentLogger, device: "abacus" };
    await expect(openGgmlEngine(engineOptions(file), surroundings)).rejects.toMatchObject({
      code: "MESH_ENGINE_FAILED",
      message: expect.stringContaining("CPU"),
    });
  });
});

/** Of koffi itself: a shared library that is on every machine where these tests run. */
function foreignLibrary(): string {
  const require = createRequire(createRequire(import.meta.url).resolve("koffi"));
  const platform = `${process.platform}-${process.arch}`;
  const root = dirname(require.resolve(`@koromix/koffi-${platform}/package.json`));
  return join(root, platform.replace("-", "_"), "koffi.node");
}

describe("the self-test", () => {
  it("passes here, and finds a device that multiplies wrongly", () => {
    const device = openDevice(library, "cpu", 1);
    try {
      selfTest(library, device);
      const wrong: GgmlLibrary = {
        ...library,
        base: {
          ...library.base,
          // Adds where it should multiply by the weights of the norm.
          ggml_mul: (...values) => library.base.ggml_add(...values),
        },
      };
      expect(() => selfTest(wrong, device)).toThrow(
        expect.objectContaining({
          code: "MESH_ENGINE_FAILED",
          message: expect.stringContaining("the attention"),
        }),
      );
    } finally {
      device.close();
    }
  });
});

describe("graphs", () => {
  it("are kept up to a number of nodes, the least recently used one goes first", () => {
    const device = openDevice(library, "cpu", 1);
    const graphs = new GraphCache(library, device, 32);
    const group = new TensorGroup(library, device.bufferType, 1);
    const x = group.vector("F32", 64);
    group.allocate("zeros");
    let builds = 0;
    const get = (key: string) =>
      graphs.get(key, 8, (context) => {
        builds += 1;
        return [need(library.base.ggml_add(context, x, x), "a sum")];
      });
    try {
      for (const key of ["a", "b", "c", "d"]) get(key);
      get("a");
      expect([graphs.size, builds]).toEqual([4, 4]);
      get("e");
      get("a");
      expect([graphs.size, builds]).toEqual([4, 5]);
      get("b");
      expect([graphs.size, builds]).toEqual([4, 6]);
    } finally {
      graphs.free();
      group.free();
      device.close();
    }
  });

  it("take no more native memory however many batches there are", async () => {
    const engine = await openGgmlEngine(engineOptions(file), { logger: silentLogger });
    const logits = new Float32Array(file.shape.vocabularySize);
    const x = new Float32Array(16 * file.shape.embeddingWidth);
    const partial = new Float32Array(x.length);
    const round = () => {
      const sequence = engine.openSequence();
      for (let rows = 1; rows <= 16; rows += 1) {
        engine.truncate(sequence, 0);
        engine.forward(new Int32Array(rows), { sequence, position: 0, rows }, logits);
        for (let layer = 0; layer < file.shape.layers; layer += 1) {
          engine.attention(layer, x, { sequence, position: 0, rows }, partial);
          engine.feedForward(layer, x, rows, partial);
        }
      }
      engine.closeSequence(sequence);
    };
    try {
      round();
      const before = { bytes: process.memoryUsage().rss, scratch: engine.stats().scratchBytes };
      for (let index = 0; index < 50; index += 1) round();
      expect(engine.stats().scratchBytes).toBe(before.scratch);
      expect(process.memoryUsage().rss - before.bytes).toBeLessThan(64 << 20);
    } finally {
      engine.close();
    }
  });
});

describe("the cache", () => {
  it("is overwritten with zeros where tokens are forgotten", () => {
    const device = openDevice(library, "cpu", 1);
    const cache = new KeyValueCache(library, device, { layers: 2, kvWidth: 8, cacheRows: 256 });
    try {
      for (const { keys, values } of cache.layers) {
        for (const tensor of [keys, values]) {
          library.base.ggml_backend_tensor_memset(tensor, 7, 0, 256 * 8 * 2);
        }
      }
      cache.clear(3, 5);
      for (const { keys, values } of cache.layers) {
        for (const tensor of [keys, values]) {
          const bytes = new Uint8Array(6 * 16);
          library.base.ggml_backend_tensor_get(tensor, bytes, 0, bytes.length);
          expect(bytes.every((byte, at) => byte === (at >= 48 && at < 80 ? 0 : 7))).toBe(true);
        }
      }
    } finally {
      cache.free();
      device.close();
    }
  });
});

describe("the measurement of bandwidth", () => {
  it("names bytes per second for each number of threads", async () => {
    let now = 0;
    const clock = {
      nowMs: () => 0,
      // Every look at the clock is 10 ms later: few rounds, whatever the machine does.
      monotonicMs: () => (now += 10),
      setTimeout: () => ({ cancel() {} }),
    };
    const surroundings = { logger: silentLogger, device: "cpu", clock };
    const [first] = await measureBandwidth([1], surroundings);
    expect(first?.threads).toBe(1);
    expect(first?.bytesPerSecond).toBeGreaterThan(1e8);
  });
});
