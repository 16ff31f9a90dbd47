/** Identities, invites, certificates, revocation, enrolment. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { Flag, Grant, NodeRole, PrincipalKind, TimeMs, Timestamp } from "./common.js";

export const WhoamiResponse = z
  .lazy(() =>
    z.object({
      kind: PrincipalKind,
      spiffeId: z.string(),
      name: z.string(),
      nodeId: z.string(),
      memberId: z.string(),
      grants: z.array(Grant),
      certificateNotAfter: Timestamp,
      operator: z.boolean().describe("May manage nodes, invites and identities"),
    }),
  )
  .meta({ id: "Whoami" });
export type WhoamiResponse = z.infer<typeof WhoamiResponse>;

export const InviteCreateQuery = z.lazy(() =>
  z.object({
    qr: Flag.exactOptional().describe("Answer with the link as a QR code too"),
  }),
);
/** What a caller sends. */
export type InviteCreateQuery = { qr?: boolean };

export const InviteCreateRequest = z.lazy(() =>
  z
    .object({
      kind: z.enum(["node", "person"]),
      grants: z
        .array(
          z
            .string()
            .min(1)
            .max(limits.PATH_BYTES_MAX + 64),
        )
        .max(limits.INVITE_GRANTS_MAX)
        .default([])
        .describe("For a person: `PATH:RIGHT+RIGHT`, such as `/shared:read+write`"),
      roles: z
        .array(NodeRole)
        .max(3)
        .default([])
        .describe("For a node: `storage`, `gateway`; storage when empty"),
      maxUses: z.number().int().min(1).max(limits.INVITE_USES_MAX).default(1),
      validity: z.string().max(32).default("24h").describe("`30m`, `24h`, `7d`; at most 30 days"),
      description: z.string().max(limits.DESCRIPTION_BYTES_MAX).default(""),
      nodeName: z.string().max(63).exactOptional().describe("The only name that may be taken"),
    })
    .strict(),
);
/** What a caller sends: everything but `kind` has a default. */
export type InviteCreateRequest = z.input<typeof InviteCreateRequest>;

export const InviteState = z.enum(["open", "used", "expired", "revoked"]);
export type InviteState = z.infer<typeof InviteState>;

/** An invite without its secret, which nobody keeps. */
export const InviteView = z
  .lazy(() =>
    z.object({
      id: z.string(),
      kind: z.enum(["node", "person"]),
      state: InviteState,
      grants: z.array(Grant),
      roles: z.array(NodeRole),
      nodeName: z.string().exactOptional(),
      description: z.string(),
      maxUses: z.number().int(),
      uses: z.array(z.object({ nodeId: z.string(), name: z.string(), atMs: TimeMs })),
      notAfterMs: TimeMs,
      createdAtMs: TimeMs,
      createdBy: z.string(),
      revokedAtMs: TimeMs.exactOptional(),
    }),
  )
  .meta({ id: "Invite" });
export type InviteView = z.infer<typeof InviteView>;

export const InviteCreateResponse = z.lazy(() =>
  z.object({
    invite: InviteView,
    code: z.string().describe("Shown once; only a hash of its secret is kept"),
    link: z.string().describe("The same as a link"),
    qrSvg: z.string().exactOptional().describe("The link as a QR code, when `qr` asked for it"),
  }),
);
export type InviteCreateResponse = z.infer<typeof InviteCreateResponse>;

export const InvitesResponse = z.lazy(() => z.object({ invites: z.array(InviteView) }));
export type InvitesResponse = z.infer<typeof InvitesResponse>;

export const InviteParams = z.lazy(() =>
  z.object({
    invite: z.string().min(1).max(limits.INVITE_TEXT_BYTES_MAX).describe("Invite id or whole code"),
  }),
);
export type InviteParams = z.infer<typeof InviteParams>;

export const InviteRevokeResponse = z.lazy(() => z.object({ invite: InviteView }));
export type InviteRevokeResponse = z.infer<typeof InviteRevokeResponse>;

export const IdentityView = z
  .lazy(() =>
    z.object({
      kind: PrincipalKind,
      spiffeId: z.string(),
      name: z.string(),
      nodeId: z.string(),
      roles: z.array(NodeRole),
      grants: z.array(Grant),
      inviteId: z.string().exactOptional(),
      enrolledAtMs: TimeMs,
      certificateNotAfterMs: TimeMs,
      recoveries: z.number().int(),
      revokedAtMs: TimeMs.exactOptional(),
    }),
  )
  .meta({ id: "Identity" });
export type IdentityView = z.infer<typeof IdentityView>;

export const IdentitiesResponse = z.lazy(() => z.object({ identities: z.array(IdentityView) }));
export type IdentitiesResponse = z.infer<typeof IdentitiesResponse>;

export const RevocationRequest = z.lazy(() =>
  z
    .object({
      identity: z.string().min(1).max(320).describe("Name or node id"),
      reason: z.string().max(limits.DESCRIPTION_BYTES_MAX).default(""),
    })
    .strict(),
);
export type RevocationRequest = z.input<typeof RevocationRequest>;

export const RevocationEntry = z.lazy(() =>
  z.object({
    nodeId: z.string(),
    spiffeId: z.string(),
    reason: z.string(),
    atMs: TimeMs,
  }),
);

export const RevocationResponse = z.lazy(() =>
  z.object({
    revoked: RevocationEntry,
    epoch: z.number().int().describe("Epoch of the list that has it"),
  }),
);
export type RevocationResponse = z.infer<typeof RevocationResponse>;

export const RevocationListResponse = z
  .lazy(() =>
    z.object({
      v: z.literal(1),
      trustDomain: z.string(),
      epoch: z.number().int(),
      issuedAtMs: TimeMs,
      entries: z.array(RevocationEntry),
      signature: z.string().describe("Base64 ECDSA P-256 (IEEE P1363) by the CA key"),
    }),
  )
  .meta({ id: "RevocationList" });
export type RevocationListResponse = z.infer<typeof RevocationListResponse>;

const CertificateRequestPem = z.string().min(1).max(limits.CSR_BYTES_MAX).describe("PKCS#10, PEM");

export const RenewRequest = z.lazy(() => z.object({ csrPem: CertificateRequestPem }).strict());
export type RenewRequest = z.infer<typeof RenewRequest>;

export const RenewResponse = z.lazy(() =>
  z.object({
    certificatePem: z.string(),
    caCertificatePem: z.string(),
  }),
);
export type RenewResponse = z.infer<typeof RenewResponse>;

export const EnrolRequest = z.lazy(() =>
  z
    .object({
      inviteId: z.string().max(64),
      secret: z.string().max(128),
      csrPem: CertificateRequestPem,
      kind: z.enum(["node", "person"]),
      name: z.string().min(1).max(320).describe("Node name, or `name@domain` of a person"),
    })
    .strict(),
);
export type EnrolRequest = z.infer<typeof EnrolRequest>;

export const EnrolResponse = z
  .lazy(() =>
    z.object({
      certificatePem: z.string(),
      caCertificatePem: z.string(),
      memberId: z.string(),
      trustDomain: z.string(),
      spiffeId: z.string(),
      grants: z.array(Grant),
      roles: z.array(NodeRole),
      coordinator: z.object({
        nodeId: z.string(),
        apiAddresses: z.array(z.string()).describe("`host:port`, best first"),
        linkAddresses: z.array(z.string()).describe("`host:port`, best first"),
      }),
    }),
  )
  .meta({ id: "Enrolment" });
export type EnrolResponse = z.infer<typeof EnrolResponse>;

/** The server's certificate has proved who says it. */
export const HubContactResponse = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      linkAddresses: z.array(z.string()).describe("`host:port`, best first"),
    }),
  )
  .meta({ id: "HubContact" });
export type HubContactResponse = z.infer<typeof HubContactResponse>;

/** Lets a node or person with an expired certificate back in: the old key signs the request. */
export const RecoverRequest = z.lazy(() =>
  z
    .object({
      nodeId: z.string().max(64),
      csrPem: CertificateRequestPem,
      signedAtMs: TimeMs,
      signature: z.string().max(512).describe("Base64, by the key that is being proved"),
    })
    .strict(),
);
export type RecoverRequest = z.infer<typeof RecoverRequest>;
