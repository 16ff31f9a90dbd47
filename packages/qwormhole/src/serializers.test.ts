import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { encodeCbor } from "./cbor.js";
import { isQWormholeError } from "./errors.js";
import {
  type Deserializer,
  type EncodedMessage,
  MessageKind,
  type Serializer,
} from "./message-kind.js";
import {
  bytesDeserializer,
  bytesSerializer,
  cborDeserializer,
  cborSerializer,
  jsonDeserializer,
  jsonSerializer,
  textDeserializer,
  textSerializer,
  valueDeserializer,
  valueSerializer,
} from "./serializers.js";

const SECRET = "hunter2";

function refused(run: () => unknown, what: RegExp): void {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(isQWormholeError(thrown, "QW_MESSAGE_INVALID")).toBe(true);
  expect((thrown as Error).message).toMatch(what);
}

/** The message as a receiver has it: a view with other bytes around it. */
function received({ kind, payload }: EncodedMessage): [Uint8Array, MessageKind] {
  const around = Buffer.alloc(payload.length + 7, "}");
  around.set(payload, 3);
  return [around.subarray(3, 3 + payload.length), kind];
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const { bytes, text, json, cbor } = MessageKind;
const NOT_UTF8 = Uint8Array.of(0x22, 0xc3, 0x28, 0x22);
const cycle: unknown[] = [];
cycle.push({ cycle });

describe("values", () => {
  it("arrive as they were sent: JSON values", () => {
    const property = fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
      const message = valueSerializer(value);
      expect(message.kind).toBe(json);
      // JSON has no -0.
      expect(valueDeserializer(...received(message))).toEqual(JSON.parse(JSON.stringify(value)));
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("arrive as they were sent: bytes, without a copy", () => {
    const data = Uint8Array.of(1, 2, 255);
    expect(valueSerializer(data)).toEqual({ kind: bytes, payload: data });
    expect(valueSerializer(data).payload).toBe(data);
    expect(valueSerializer(Buffer.from(data)).kind).toBe(bytes);
    expect(valueDeserializer(data, bytes)).toBe(data);
    expect(valueDeserializer(data)).toBe(data);
  });

  it("that are strings stay strings, also when they look like JSON", () => {
    for (const value of ["", "null", '{"a":1}', "\ufeffx", "\ud800"]) {
      expect(valueDeserializer(...received(valueSerializer(value)))).toBe(value);
    }
  });

  it("are read by the kind that the sender said", () => {
    expect(valueDeserializer(utf8("1"), text)).toBe("1");
    expect(valueDeserializer(utf8("1"), json)).toBe(1);
    expect(valueDeserializer(encodeCbor({ at: new Date(5) }), cbor)).toEqual({ at: new Date(5) });
    refused(() => valueDeserializer(utf8("1"), 7 as MessageKind), /kind 7 of a message/);
    refused(() => valueDeserializer(NOT_UTF8, text), /4 bytes is not UTF-8/);
    refused(() => valueDeserializer(NOT_UTF8, json), /4 bytes is not UTF-8/);
    refused(() => valueDeserializer(Uint8Array.of(0xff), cbor), /CBOR message is invalid/);
  });

  it.each([
    ["undefined", undefined, /nothing is left of a value of type undefined/],
    ["a function", () => 1, /nothing is left of a value of type function/],
    ["a symbol", Symbol("s"), /nothing is left of a value of type symbol/],
    ["a BigInt", 1n, /a BigInt, a cycle/],
    ["a BigInt within", { a: [1n] }, /a BigInt, a cycle/],
    ["a cycle", cycle, /a BigInt, a cycle/],
    ["NaN", Number.NaN, /NaN is not a number of JSON/],
    ["infinity", Number.POSITIVE_INFINITY, /Infinity is not a number of JSON/],
    ["floats", new Float32Array(2), /bytes are not JSON/],
    ["a buffer", new ArrayBuffer(2), /an ArrayBuffer/],
    ["a map", new Map([[1, 2]]), /a Map or Set/],
    ["a set", new Set([1]), /a Map or Set/],
    ["a promise", Promise.resolve(1), /a Promise; await it first/],
    ["an error", new Error("e"), /an Error; send its message/],
  ])("are refused where something else would arrive: %s", (_name, value, what) => {
    refused(() => valueSerializer(value), what);
    refused(() => jsonSerializer(value), what);
  });

  it("without members are values too", () => {
    for (const value of [{}, [], { a: undefined }, new (class Empty {})()]) {
      const arrived = valueDeserializer(...received(valueSerializer(value)));
      expect(arrived).toEqual(Array.isArray(value) ? [] : {});
    }
  });

  it("with a `toJSON` that throws keep its error as the cause", () => {
    const cause = new Error("mine");
    const value = {
      toJSON: () => {
        throw cause;
      },
    };
    expect(() => valueSerializer(value)).toThrow(expect.objectContaining({ cause }));
  });
});

describe("JSON", () => {
  it("is read from JSON, text and bytes, with and without a kind", () => {
    const payload = utf8('{"type":"x","n":[1,"\u00e9"]}');
    for (const kind of [undefined, json, text, bytes]) {
      expect(jsonDeserializer(payload, kind)).toEqual({ type: "x", n: [1, "\u00e9"] });
    }
    expect(jsonSerializer("a")).toEqual({ kind: json, payload: Buffer.from('"a"') });
    refused(() => jsonSerializer(Uint8Array.of(1)), /bytes are not JSON/);
  });

  it("is never null when it cannot be read, and the error does not quote it", () => {
    for (const broken of ["", `${SECRET}`, `{"password":"${SECRET}"`, `"${SECRET}" 1`, "\ufeff1"]) {
      refused(() => jsonDeserializer(utf8(broken)), /is not JSON/);
      const shown = expect.toSatisfy(
        (error: Error) => !`${error.message}${error.cause}`.includes(SECRET),
      );
      expect(() => jsonDeserializer(utf8(broken))).toThrow(shown);
    }
    refused(() => jsonDeserializer(NOT_UTF8), /is not UTF-8/);
    refused(() => jsonDeserializer(encodeCbor(1), cbor), /is CBOR where JSON was expected/);
    expect(jsonDeserializer(utf8("null"))).toBeNull();
  });

  it("keeps `__proto__` as a plain member", () => {
    const value = jsonDeserializer<object>(utf8('{"__proto__":{"isAdmin":true}}'));
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__"]);
  });

  it("bears any nesting", () => {
    const deep = "[".repeat(500_000);
    refused(() => jsonDeserializer(utf8(deep)), /is not JSON/);
  });
});

describe("text", () => {
  it("arrives as it was sent", () => {
    const property = fc.property(fc.string({ unit: "binary" }), (value) => {
      const message = textSerializer(value);
      expect(message.kind).toBe(text);
      expect(textDeserializer(...received(message))).toBe(value);
    });
    fc.assert(property);
    expect(textDeserializer(...received(textSerializer("\ufeffa")))).toBe("\ufeffa");
  });

  it("is the text of JSON messages, and bytes in UTF-8", () => {
    expect(textDeserializer(utf8('{"a":1}'), json)).toBe('{"a":1}');
    expect(textDeserializer(utf8("\u00e9"), bytes)).toBe("\u00e9");
    expect(textDeserializer(utf8("\u00e9"))).toBe("\u00e9");
    refused(() => textDeserializer(NOT_UTF8, text), /is not UTF-8/);
    refused(() => textDeserializer(encodeCbor("a"), cbor), /is CBOR where text was expected/);
  });

  it("is refused when it is none", () => {
    for (const value of [1, null, undefined, {}, Uint8Array.of(65)]) {
      refused(() => textSerializer(value), /is not text/);
    }
    refused(() => textSerializer("\u00e9\udc00"), /lone surrogate/);
  });
});

describe("bytes", () => {
  it("are what lies under any view, and the payload of any kind", () => {
    const data = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    expect(bytesSerializer(data).payload).toBe(data);
    expect(bytesSerializer(data.buffer)).toEqual({ kind: bytes, payload: data });
    const view = new Uint16Array(data.buffer, 2, 2);
    expect(bytesSerializer(view)).toEqual({ kind: bytes, payload: Uint8Array.of(2, 3, 4, 5) });
    for (const kind of [undefined, bytes, text, json, cbor]) {
      expect(bytesDeserializer(data, kind)).toBe(data);
    }
    for (const value of ["a", 1, null, undefined, [1]]) {
      refused(() => bytesSerializer(value), /is not bytes/);
    }
  });
});

describe("CBOR", () => {
  it("carries what JSON cannot", () => {
    const value = { at: new Date(1_500), n: 1n << 60n, data: Uint8Array.of(1), none: undefined };
    const message = cborSerializer(value);
    expect(message.kind).toBe(cbor);
    expect(cborDeserializer(...received(message))).toStrictEqual(value);
    expect(cborDeserializer(message.payload, bytes)).toStrictEqual(value);
    expect(cborDeserializer(message.payload)).toStrictEqual(value);
    refused(() => cborDeserializer(utf8("1"), json), /is text or JSON where CBOR was expected/);
    refused(() => cborDeserializer(utf8("1"), text), /is text or JSON where CBOR was expected/);
    refused(() => cborSerializer(Symbol("s")), /symbol/);
  });
});

describe("types", () => {
  it("fit the options of servers and clients, with and without a message type", () => {
    interface MeshMessage {
      type: string;
    }
    class Endpoint<T = unknown> {
      constructor(readonly options: { serializer?: Serializer; deserializer?: Deserializer<T> }) {}
    }
    const serializer = jsonSerializer;
    const typed = new Endpoint<MeshMessage>({ serializer, deserializer: jsonDeserializer });
    expectTypeOf(typed).toEqualTypeOf<Endpoint<MeshMessage>>();
    const untyped = new Endpoint({ deserializer: jsonDeserializer });
    expectTypeOf(untyped).toEqualTypeOf<Endpoint<unknown>>();
    const strings = new Endpoint({ deserializer: textDeserializer });
    expectTypeOf(strings).toEqualTypeOf<Endpoint<string>>();
    expectTypeOf(cborDeserializer<MeshMessage>).toExtend<Deserializer<MeshMessage>>();
    const serializers: Serializer[] = [
      valueSerializer,
      jsonSerializer,
      textSerializer,
      bytesSerializer,
      cborSerializer,
    ];
    expect(serializers).toHaveLength(5);
  });
});
