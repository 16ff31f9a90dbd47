import { describe, expect, it } from "vitest";
import { parseHubAddress } from "./hub-address.js";

describe("the address of a hub", () => {
  it("is a coordinator's enrolment port, with or without its number", () => {
    expect(parseHubAddress("https://hub.example.com").enrolment).toEqual([
      { host: "hub.example.com", port: 443 },
      { host: "hub.example.com", port: 9001 },
    ]);
    expect(parseHubAddress("https://hub.example.com:443/").enrolment).toEqual([
      { host: "hub.example.com", port: 443 },
    ]);
    expect(parseHubAddress("https://[2001:db8::1]:9101").enrolment).toEqual([
      { host: "2001:db8::1", port: 9101 },
    ]);
  });

  it("is the link port of any node", () => {
    expect(parseHubAddress("hub.example.com:9000")).toMatchObject({
      enrolment: [],
      linkAddress: "hub.example.com:9000",
    });
  });

  it.each(["http://hub.example.com", "https://hub/x", "hub", "https://", "ftp://hub", "a:b:c"])(
    "is not %s",
    (text) => {
      expect(() => parseHubAddress(text)).toThrowError(/is no hub/);
    },
  );

  it("is never written with a password", () => {
    const text = "https://me:secret@hub.example.com";
    expect(() => parseHubAddress(text)).toThrowError(
      /^"https:..\.\.\.@hub.example.com" is no hub$/,
    );
  });
});
