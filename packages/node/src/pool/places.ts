/** Text of addresses that others told or somebody typed. */
import { type Endpoint, parseEndpoint } from "@hearthmesh/identity";

const ENROLMENT_PORT = 9001;

/** A host alone is its enrolment port. Undefined when it is no address. */
export function placeOf(text: string): Endpoint | undefined {
  return endpointOf(text) ?? endpointOf(`${text}:${ENROLMENT_PORT}`);
}

/** Undefined when it is none. */
export function endpointOf(text: string): Endpoint | undefined {
  try {
    return parseEndpoint(text);
  } catch {
    return undefined;
  }
}
