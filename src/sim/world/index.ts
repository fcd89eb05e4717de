/** Whole Pilot networks on the virtual internet: real daemons, registry and beacon, disturbed at random and judged. */
export { APP_PORT, App, type AppObserver, streamBytes } from './app.ts';
export { Attacker } from './attacker.ts';
export { BeaconMachine } from './beacon-machine.ts';
export { describeDatagram } from './describe-datagram.ts';
export { Machine } from './machine.ts';
export { PilotWorld } from './pilot-world.ts';
export { Promises } from './promises.ts';
export { BEACON_PORT, REGISTRY_PORT, RendezvousMachine } from './rendezvous-machine.ts';
export { DIRECT_LIMIT, HEAL_LIMIT, type Outcome, runScenario, type ScenarioOptions } from './scenario.ts';
export { randomTransition, TRANSITIONS } from './transitions.ts';
export { NonceLedger, type NonceRepeat } from './watched-crypto.ts';
