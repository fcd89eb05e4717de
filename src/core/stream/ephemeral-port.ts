import type { Random } from '../../base/random.ts';
import type { Port } from '../../base/units.ts';
import { EPHEMERAL_FIRST } from './config.ts';

const COUNT = 65_536 - EPHEMERAL_FIRST;

export function randomEphemeral(random: Random): Port {
  return EPHEMERAL_FIRST + random.below(COUNT);
}

/** Random, so that a restart doesn't meet its own stale connections at peers; undefined when all are taken. spec/01, weakness 5 */
export function freeEphemeral(random: Random, taken: (port: Port) => boolean): Port | undefined {
  const start = random.below(COUNT);
  for (let i = 0; i < COUNT; i++) {
    const port = EPHEMERAL_FIRST + ((start + i) % COUNT);
    if (!taken(port)) return port;
  }
  return undefined;
}
