import { describe, it } from "vitest";
import { memoryTransport } from "./memory-transport.js";
import { tcpTransport } from "./tcp-transport.js";
import { testAuthority, testIdentity, transportContract } from "./testing/index.js";
import { tlsTransport } from "./tls-transport.js";

const identities = () => ({
  dialerIdentity: testIdentity(),
  listenerIdentity: testIdentity("p256"),
});
const loopback = {
  address: { host: "127.0.0.1", port: 0 },
  nobody: { host: "127.0.0.1", port: 1 },
};

transportContract(
  { describe, it },
  {
    name: "memory",
    hasBinding: true,
    hasCertificates: false,
    open: async () => ({ transport: memoryTransport(), ...loopback, ...identities() }),
  },
);

transportContract(
  { describe, it },
  {
    name: "tcp",
    hasBinding: false,
    hasCertificates: false,
    open: async () => ({
      transport: tcpTransport({ insecure: "loopback" }),
      ...loopback,
      ...identities(),
    }),
  },
);

const authority = testAuthority();
transportContract(
  { describe, it },
  {
    name: "tls",
    hasBinding: true,
    hasCertificates: true,
    async open() {
      const listener = authority.issue("listener");
      const dialer = authority.issue("dialer", { keyType: "ed25519" });
      return {
        transport: tlsTransport({ credentials: () => listener.credentials }),
        dialTransport: tlsTransport({ credentials: () => dialer.credentials }),
        ...loopback,
        dialerIdentity: dialer.identity,
        listenerIdentity: listener.identity,
      };
    },
  },
);
