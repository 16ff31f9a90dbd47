/** Health checks of the services of this node: each as often as its definition says. */
import { HealthChecker, type HealthCheckerOptions, type HealthProber } from "./health-checker.js";
import type { ServiceDefinition } from "./service-definition.js";

export type ServiceHealth = HealthChecker<ServiceDefinition>;

export type ServiceProber = HealthProber<ServiceDefinition>;

export function openServiceHealth(
  options: Omit<HealthCheckerOptions<ServiceDefinition>, "noun" | "timesOf">,
): ServiceHealth {
  return new HealthChecker({ ...options, noun: "service", timesOf: ({ health }) => health });
}
