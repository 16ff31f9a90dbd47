/**
 * The renewal of a node without the authority: coordinators that it knows give the
 * certificates.
 */
import { ApiClient, recoverCertificate, renewCertificate } from "@hearthmesh/client/enrolment";
import type { CoordinatorContacts } from "./coordinators/coordinator-contacts.js";
import type { CredentialHolder } from "./credential-holder.js";
import { keyPairOf } from "./key-pair.js";
import { Renewal } from "./renewal.js";
import type { Tools } from "./tools.js";

export function renewalFrom(
  contacts: CoordinatorContacts,
  credentials: CredentialHolder,
  tools: Tools,
): Renewal {
  const { keyPem, caCertificatePem } = credentials.current;
  const keyPair = keyPairOf(keyPem);
  const { clock } = tools;
  return new Renewal({
    credentials,
    ...tools,
    renew: async () => {
      const addresses = contacts.apiAddresses;
      const api = new ApiClient({ addresses, credentials: credentials.current, clock });
      try {
        const renewed = await renewCertificate(api, { keyPair, caCertificatePem, clock });
        return renewed.certificatePem;
      } finally {
        api.close();
      }
    },
    recover: async () => {
      const { enrolmentAddresses } = contacts;
      const options = { enrolmentAddresses, caCertificatePem, keyPair, clock };
      return (await recoverCertificate(options)).certificatePem;
    },
  });
}
