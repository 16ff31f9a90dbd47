import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResponseParser } from "./response-parser.js";

interface Heard {
  interims: number[];
  heads: number[];
  body: string;
  trailers: string[];
  ends: boolean[];
}

/** What is delivered when the bytes come in pieces that end at these places. */
function hear(bytes: Buffer, cuts: readonly number[], method = "GET", answers = 1): Heard {
  const heard: Heard = { interims: [], heads: [], body: "", trailers: [], ends: [] };
  const parser: ResponseParser = new ResponseParser({
    onInterim: ({ status }) => void heard.interims.push(status),
    onHead: ({ status }) => void heard.heads.push(status),
    onBody: (piece) => {
      heard.body += piece.toString("latin1");
    },
    onTrailers: (lines) => void heard.trailers.push(...lines),
    onEnd: (reusable) => {
      heard.ends.push(reusable);
      if (heard.ends.length < answers) parser.expect(method);
    },
  });
  parser.expect(method);
  let from = 0;
  for (const cut of [...new Set(cuts.map((at) => at % (bytes.length + 1))), bytes.length].sort(
    (a, b) => a - b,
  )) {
    parser.push(bytes.subarray(from, cut));
    from = cut;
  }
  if (!parser.isIdle) parser.finish();
  return heard;
}

const cuts = fc.array(fc.nat(5_000), { maxLength: 40 });

describe("an answer", () => {
  it("is the same however its bytes are cut, whatever its framing", () => {
    const text = fc.string({ maxLength: 60 }).map((one) => Buffer.from(one).toString("latin1"));
    const pieces = fc.array(text, { maxLength: 6 });
    fc.assert(
      fc.property(cuts, pieces, fc.constantFrom("length", "chunked", "close"), (at, parts, how) => {
        const body = parts.join("");
        const chunks = parts
          .filter((part) => part !== "")
          .map((part) => `${part.length.toString(16)};ext=1\r\n${part}\r\n`)
          .join("");
        const framed = {
          length: `Content-Length: ${body.length}\r\n\r\n${body}`,
          chunked: `Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\nX-Sum: 7\r\n\r\n`,
          close: `\r\n${body}`,
        }[how];
        const bytes = `HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n${framed}`;
        expect(hear(Buffer.from(bytes, "latin1"), at)).toEqual({
          interims: [103],
          heads: [200],
          body,
          trailers: how === "chunked" ? ["X-Sum", "7"] : [],
          ends: [how !== "close"],
        });
      }),
    );
  });

  it("ends where the next one begins", () => {
    const one = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    const two = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n";
    fc.assert(
      fc.property(cuts, (at) => {
        const heard = hear(Buffer.from(one + two + one), at, "GET", 3);
        expect(heard.body).toBe("abcdeabc");
        expect(heard.ends).toEqual([true, true, true]);
      }),
    );
  });

  it("that is not whole is an error, for any place where it breaks off", () => {
    const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n";
    const fixed = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    for (const whole of [chunked, fixed]) {
      for (let length = 0; length < whole.length; length++) {
        expect(() => hear(Buffer.from(whole.slice(0, length)), [])).toThrow(
          expect.objectContaining({ code: "MESH_PROTOCOL" }),
        );
      }
    }
  });

  it("of anything at all is heard or refused with a typed error", () => {
    const start = fc.constantFrom("", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n");
    const framing = fc.constantFrom(
      "",
      "Transfer-Encoding: chunked\r\n\r\n",
      "Content-Length: 5\r\n\r\n",
    );
    fc.assert(
      fc.property(start, framing, fc.uint8Array({ maxLength: 300 }), cuts, (a, b, rest, at) => {
        try {
          hear(Buffer.concat([Buffer.from(a + b), rest]), at);
        } catch (error) {
          expect(error).toMatchObject({ code: "MESH_PROTOCOL" });
        }
      }),
    );
  });

  it("has chunk sizes of the form that everybody reads alike, and bounded extensions", () => {
    const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const extensions = `1;${"e".repeat(4_000)}\r\nx\r\n`.repeat(20);
    for (const bad of ["0x2\r\nab\r\n", "-2\r\n", "\r\n", "2\r\nabc\r\n", "g\r\n", extensions]) {
      expect(() => hear(Buffer.from(head + bad), [])).toThrow(
        expect.objectContaining({ code: "MESH_PROTOCOL" }),
      );
    }
  });
});
