/**
 * `@hearthmesh/client/enrolment`: how a machine becomes a node and keeps its certificate. Apart
 * from the rest, so that a node does not hold the client of people in its memory.
 */
export { ApiClient, type ApiClientOptions } from "./api-client.js";
export { enrolWithInvite } from "./enrol.js";
export { fetchHubContact, type HubContact } from "./hub-contact.js";
export { recoverCertificate, renewCertificate } from "./renew.js";
