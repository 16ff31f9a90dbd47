/** Object identifiers of certificates: the content of their DER form as hexadecimal. */
export const CERTIFICATE_OIDS = {
  /** 1.2.840.10045.4.3.2 */
  ecdsaWithSha256: "2a8648ce3d040302",
  /** 2.5.4.3 */
  commonName: "550403",
  /** 2.5.29.14 */
  subjectKeyId: "551d0e",
  /** 2.5.29.15 */
  keyUsage: "551d0f",
  /** 2.5.29.17 */
  subjectAlternativeName: "551d11",
  /** 2.5.29.19 */
  basicConstraints: "551d13",
  /** 2.5.29.30 */
  nameConstraints: "551d1e",
  /** 2.5.29.37 */
  extendedKeyUsage: "551d25",
  /** 1.3.6.1.5.5.7.3.1 */
  serverAuth: "2b06010505070301",
  /** 1.3.6.1.5.5.7.3.2 */
  clientAuth: "2b06010505070302",
} as const;
