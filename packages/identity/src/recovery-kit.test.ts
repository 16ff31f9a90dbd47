import { parseMemberId, parseTrustDomain, systemClock, systemRandom } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { caPinOf } from "./ca-pin.js";
import { createVerifier } from "./certificate-verify.js";
import { generateKeyPair, keyPemOfScalar, publicKeyDerOf, scalarOfKey } from "./keys.js";
import { createMemberCa, issueCertificate } from "./member-ca.js";
import { decodePem } from "./pem.js";
import {
  formatRecoveryKit,
  kitAsOneText,
  parseRecoveryKit,
  RECOVERY_KIT_FRIENDS_MAX,
  type RecoveryKit,
} from "./recovery-kit.js";

const clock = systemClock();
const random = systemRandom();

function friend(number: number): RecoveryKit["friends"][number] {
  return {
    memberId: parseMemberId(`friend-${number}`),
    trustDomain: parseTrustDomain(`garage.friend-${number}`),
    caPin: `${"a".repeat(25)}4`,
    endpoints: [
      { host: `friend-${number}.example.org`, port: 8001 },
      { host: "fd00::1", port: 18001 },
    ],
  };
}

function kitWith(friends: number): RecoveryKit {
  return {
    memberId: parseMemberId("alice"),
    trustDomain: parseTrustDomain("home.alice"),
    caKey: new Uint8Array(scalarOfKey(generateKeyPair().privateKeyPem)),
    storeKey: new Uint8Array(random.bytes(32)),
    friends: Array.from({ length: friends }, (_, number) => friend(number)),
  };
}

function failureOf(text: string): { code: string; message: string; details?: unknown } {
  try {
    parseRecoveryKit(text);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("it was accepted");
}

describe("the recovery kit", () => {
  it("comes back from paper and from a QR code, whatever the case and the comments", () => {
    for (const friends of [0, 1, RECOVERY_KIT_FRIENDS_MAX]) {
      const kit = kitWith(friends);
      expect(parseRecoveryKit(formatRecoveryKit(kit))).toEqual(kit);
      expect(parseRecoveryKit(kitAsOneText(kit).toUpperCase())).toEqual(kit);
      const bare = formatRecoveryKit(kit)
        .split("\n")
        .filter((line) => !line.startsWith("#"));
      expect(parseRecoveryKit(bare.join("\r\n").toUpperCase())).toEqual(kit);
    }
  });

  it("fits on paper and in one QR code", () => {
    const text = formatRecoveryKit(kitWith(RECOVERY_KIT_FRIENDS_MAX));
    expect(text.split("\n").length).toBeLessThan(60);
    // Version 40 with the lowest correction holds 4,296 alphanumeric characters.
    expect(kitAsOneText(kitWith(RECOVERY_KIT_FRIENDS_MAX)).length).toBeLessThan(4296);
  });

  it("names the line of every single mistyped character", () => {
    const kit = kitWith(2);
    const lines = formatRecoveryKit(kit).split("\n");
    const first = lines.findIndex((line) => /^ *1 /.test(line));
    const count = lines.filter((line) => /^ *\d/.test(line)).length;
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: count - 1 }),
        fc.nat(),
        fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567"),
        (at, place, character) => {
          const line = lines[first + at] as string;
          const places = [...line].flatMap((one, index) =>
            index >= 5 && one !== " " ? [index] : [],
          );
          const index = places[place % places.length] as number;
          if (line[index] === character) return;
          const wrong = [...lines];
          wrong[first + at] = line.slice(0, index) + character + line.slice(index + 1);
          const failure = failureOf(wrong.join("\n"));
          expect(failure.code).toBe("MESH_KIT_INVALID");
          expect(failure.message).toContain(`line ${at + 1} `);
        },
      ),
    );
  });

  it("names a line that is missing or in the wrong place, and notices a lost last line", () => {
    const lines = formatRecoveryKit(kitWith(1))
      .split("\n")
      .filter((line) => /^ *\d/.test(line));
    expect(failureOf(lines.filter((_, at) => at !== 2).join("\n")).message).toContain("line 3 ");
    const swapped = [lines[1], lines[0], ...lines.slice(2)].join("\n");
    expect(failureOf(swapped).message).toContain("line 1 ");
    expect(failureOf(lines.slice(0, -1).join("\n")).code).toBe("MESH_KIT_INVALID");
    expect(failureOf("").message).toContain("empty");
    expect(failureOf("hello").code).toBe("MESH_KIT_INVALID");
    expect(failureOf("a".repeat(20_000)).message).toContain("too long");
  });

  it("never repeats a secret in what it says", () => {
    const kit = kitWith(1);
    const lines = formatRecoveryKit(kit)
      .split("\n")
      .filter((line) => /^ *\d/.test(line));
    const broken = (lines[0] as string).replace(/.$/, (one) => (one === "a" ? "b" : "a"));
    const { message, details } = failureOf([broken, ...lines.slice(1)].join("\n"));
    const groups = lines
      .join(" ")
      .split(/\s+/)
      .filter((group) => group.length === 4);
    for (const group of groups) expect(message + JSON.stringify(details)).not.toContain(group);
  });

  it("takes whatever text without any other error", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), (text) => {
        expect(failureOf(text).code).toBe("MESH_KIT_INVALID");
      }),
    );
  });
});

describe("a CA from its key alone", () => {
  it("has the same pin, and certificates of the new and the old one hold under both", async () => {
    const names = { memberId: "alice", trustDomain: "home.alice" };
    const before = await createMemberCa({ ...names, clock, random });
    const privateKeyPem = keyPemOfScalar(scalarOfKey(before.privateKeyPem));
    const after = await createMemberCa({ ...names, privateKeyPem, clock, random });
    expect(caPinOf(after.certificatePem)).toBe(caPinOf(before.certificatePem));
    const trustDomain = parseTrustDomain("home.alice");
    for (const [issuer, judge] of [
      [before, after],
      [after, before],
    ] as const) {
      const issued = await issueCertificate({
        ca: issuer,
        publicKeyDer: publicKeyDerOf(generateKeyPair().publicKeyPem),
        kind: "person",
        trustDomain,
        name: "carol@home.alice",
        validityMs: 60_000,
        clock,
        random,
      });
      const bundle = { trustDomain, sequence: 1, caCertificatesPem: [judge.certificatePem] };
      const chain = [decodePem("CERTIFICATE", issued.certificatePem)];
      const principal = createVerifier(bundle).verify(chain, { nowMs: clock.nowMs() });
      expect(principal.name).toBe("carol@home.alice");
    }
  });

  it("refuses bytes that are no key", () => {
    expect(() => keyPemOfScalar(new Uint8Array(32))).toThrow();
    expect(() => keyPemOfScalar(new Uint8Array(32).fill(255))).toThrow();
    expect(() => keyPemOfScalar(new Uint8Array(31).fill(1))).toThrow();
  });
});
