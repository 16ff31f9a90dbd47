/**
 * A node of the mesh that has been taken over: it has its own key and certificate, so its links are
 * let in and its datagrams open, and it says whatever it wants. It speaks the real wire format by
 * the product's own encoders; only what it says is false.
 */
import { createPrivateKey, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  generateKeyPair,
  nodeIdOfPublicKey,
  parseCertificate,
  publicKeyDerOf,
  signerOf,
} from "../../packages/identity/dist/index.js";
import {
  decodeNodeMeta,
  encodeDatagram,
  encodeNodeMeta,
  signRecord,
} from "../../packages/membership/dist/index.js";
import { DatagramSealer } from "../../packages/membership/dist/runtime/datagram-seal.js";
import {
  decodePage,
  decodeSummaryAnswer,
  encodePageRequest,
  encodeSummaryRequest,
} from "../../packages/membership/dist/runtime/mesh-messages.js";
import { decodeSummary } from "../../packages/membership/dist/runtime/view-summary.js";
import { dialLink, linkIdentityOf, tlsTransport } from "../../packages/qwormhole/dist/index.js";
import { answerLines } from "./json-answers.mjs";

const LINK_PORT = 9000;
const DATAGRAM_PORT = 7946;
const EXCHANGE = "mesh.exchange";
/** Whatever a link is asked beside the exchange of views; the bodies are noise. */
const NOISE_METHODS = ["mesh.datagram", "mesh.certificates", "mesh.secret", "route.announce"];
const FLOOD_BURST = 50;

const socket = createSocket("udp4");
/** By name: `{ address, link, record, publicKey }`. */
const victims = new Map();
let self;

function readIdentity({ home, name, memberId }) {
  const read = (...path) => readFileSync(join(home, "certs", ...path), "utf8");
  const keyPem = read("nodes", `${name}.key`);
  const certificatePem = read("nodes", `${name}.crt`);
  const caPem = [read("ca", `${memberId}-ca.crt`)];
  const identity = linkIdentityOf(createPrivateKey(keyPem));
  const nodeId = nodeIdOfPublicKey(identity.publicKey);
  const boot = new Uint8Array(randomBytes(8));
  const sealer = new DatagramSealer({ nodeId, privateKeyPem: keyPem, boot });
  const tls = tlsTransport({ credentials: () => ({ keyPem, certificatePem, caPem }) });
  return { name, nodeId, boot, sealer, tls, identity, sign: signerOf(keyPem) };
}

/** All records that the other side has. */
async function recordsOf(link) {
  const request = encodeSummaryRequest("another", new Uint8Array(0));
  const summary = decodeSummaryAnswer(await link.request(EXCHANGE, request));
  const wanted = [...decodeSummary(summary).keys()];
  const page = await link.request(EXCHANGE, encodePageRequest(wanted, { ...NOTHING }));
  return decodePage(page)
    .claims.filter(({ kind }) => kind === "self")
    .map(({ record }) => record);
}

const NOTHING = { claims: [], certificates: [] };

function tell(link, claims) {
  return link.request(EXCHANGE, encodePageRequest([], { claims, certificates: [] }));
}

function seal(victim, message) {
  const { boot } = decodeNodeMeta(victim.record.meta);
  const peer = { nodeId: victim.record.nodeId, publicKey: victim.publicKey, boot };
  return self.sealer.seal(peer, encodeDatagram(message, 1360).bytes);
}

function send(victim, bytes) {
  return new Promise((resolve) => {
    socket.send(bytes, DATAGRAM_PORT, victim.address, () => resolve());
  });
}

/** Its own word, with the life of this script: from then on its datagrams are opened. */
function ownRecord(incarnation, address) {
  const meta = {
    ...{ boot: self.boot, linkAddresses: [], roles: ["storage"], capabilities: [] },
    ...{ site: "home", version: "0.1.0", relays: true, isHub: false },
  };
  const { nodeId, name } = self;
  const record = { nodeId, name, address, incarnation, isLeaving: false };
  return signRecord({ ...record, meta: encodeNodeMeta(meta).bytes }, self.sign);
}

/** What no honest node would say of `victim`; `other` is put into the mouth of. */
function lies(victim, other) {
  const { record } = victim;
  const { nodeId, incarnation } = record;
  const { proof: _, ...unsigned } = record;
  const ghost = generateKeyPair();
  const ghostId = nodeIdOfPublicKey(publicKeyDerOf(ghost.publicKeyPem));
  const newer = { ...unsigned, incarnation: incarnation + 100, address: "203.0.113.66:7946" };
  const ghostRecord = { ...unsigned, nodeId: ghostId, name: "ghost", incarnation: 1 };
  return [
    // Another's word, by the wrong key; the same word, changed under its proof.
    { kind: "self", record: signRecord(newer, self.sign) },
    { kind: "self", record: { ...record, isLeaving: true } },
    { kind: "self", record: { ...record, incarnation: incarnation + 7 } },
    // A node that the member has never let in.
    { kind: "self", record: signRecord(ghostRecord, signerOf(ghost.privateKeyPem)) },
    { kind: "dead", nodeId: ghostId, incarnation: 1, from: self.nodeId },
    // That another is dead: as its own belief, as that of a third one, and of a life to come.
    { kind: "dead", nodeId, incarnation, from: self.nodeId },
    { kind: "suspect", nodeId, incarnation, from: other.record.nodeId },
    { kind: "dead", nodeId, incarnation, from: other.record.nodeId },
    { kind: "dead", nodeId, incarnation: Number.MAX_SAFE_INTEGER, from: self.nodeId },
  ];
}

function* pairs() {
  for (const victim of victims.values()) {
    for (const other of victims.values()) if (other !== victim) yield [victim, other];
  }
}

/** Refused requests are what is hoped for. */
const ignore = () => undefined;

answerLines({
  /** `nodes`: name and address of those to be harmed. */
  async open({ home, name, memberId, address, nodes }) {
    self = readIdentity({ home, name, memberId });
    const options = { identity: self.identity, handlers: {} };
    for (const node of nodes) {
      const target = { host: node.address, port: LINK_PORT };
      const link = await dialLink(self.tls, target, options);
      const records = await recordsOf(link);
      const record = records.find((one) => one.nodeId === link.peer.nodeId);
      const publicKey = parseCertificate(link.peer.certificates[0]).publicKeyDer;
      const known = records.find((one) => one.nodeId === self.nodeId)?.incarnation ?? 0;
      await tell(link, [{ kind: "self", record: ownRecord(known + 1, `${address}:7946`) }]);
      victims.set(node.name, { address: node.address, link, record, publicKey });
    }
  },

  /** Every lie to everybody, over links and as datagrams. */
  async forge() {
    let sent = 0;
    for (const [victim, other] of pairs()) {
      const claims = lies(victim, other);
      for (const { link } of victims.values()) {
        for (const claim of claims) await tell(link, [claim]).catch(ignore);
      }
      for (const claim of claims) {
        const from = self.nodeId;
        await send(other, seal(other, { kind: "gossip", from, claims: [claim] }));
        // In the name of another within its own seal; and with a head that names another.
        const impostor = { kind: "gossip", from: victim.record.nodeId, claims: [claim] };
        await send(other, seal(other, impostor));
        sent += 2;
      }
      const forged = seal(other, { kind: "gossip", from: self.nodeId, claims: [] });
      forged.set(Buffer.from(randomBytes(8)), 2);
      await send(other, forged);
    }
    return sent;
  },

  /** The same datagrams and the same old records again and again. */
  async replay({ times }) {
    const recorded = [...pairs()].map(([victim, other]) => {
      const claims = [{ kind: "self", record: victim.record }];
      return [other, seal(other, { kind: "gossip", from: self.nodeId, claims })];
    });
    for (let time = 0; time < times; time++) {
      for (const [victim, bytes] of recorded) await send(victim, bytes);
      if (time % FLOOD_BURST === 0) await sleep(1);
    }
    const records = [...victims.values()].map(({ record }) => ({ kind: "self", record }));
    for (const { link } of victims.values()) await tell(link, records).catch(ignore);
    return times * recorded.length;
  },

  /** As much as it can for so long, over both ways. */
  async flood({ seconds }) {
    const endMs = performance.now() + seconds * 1000;
    const counts = { datagrams: 0, requests: 0 };
    const isOver = () => performance.now() > endMs;
    const datagrams = async () => {
      const dead = [...pairs()].map(([victim, other]) => {
        const { nodeId, incarnation } = victim.record;
        const claims = [{ kind: "dead", nodeId, incarnation, from: self.nodeId }];
        return [other, { kind: "gossip", from: self.nodeId, claims }];
      });
      while (!isOver()) {
        for (const [victim, message] of dead) {
          socket.send(seal(victim, message), DATAGRAM_PORT, victim.address);
          await send(victim, randomBytes(1400));
          counts.datagrams += 2;
        }
        // The links have their turn.
        await new Promise(setImmediate);
      }
    };
    const requests = async ({ link }) => {
      while (!isOver() && link.isOpen) {
        const method = NOISE_METHODS[counts.requests % NOISE_METHODS.length];
        const view = encodeSummaryRequest("another", new Uint8Array(0));
        await Promise.all([
          link.request(EXCHANGE, view).catch(ignore),
          link.request(method, randomBytes(1000)).catch(ignore),
        ]);
        counts.requests += 2;
      }
    };
    await Promise.all([datagrams(), ...[...victims.values()].map(requests)]);
    return counts;
  },
});
