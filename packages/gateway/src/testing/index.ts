/** For tests of the doors and of programs that talk to them. Not part of the public API. */
export { type FixtureOptions, type GatewayFixture, gatewayFixture } from "./gateway-fixture.js";
