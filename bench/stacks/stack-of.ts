/** From the words on a command line to a stack. */
import { nodeStack } from './node.ts';
import { pilotStack } from './pilot.ts';
import { rivalStack } from './rival.ts';
import { tcpStack, tlsStack } from './sockets.ts';
import type { Stack } from './stack.ts';
import { udpStack } from './udp.ts';

/** Throws when the words name no stack. */
export async function stackOf([kind, ...words]: readonly string[]): Promise<Stack> {
  switch (kind) {
    case 'tcp':
      return tcpStack(words[0]);
    case 'tls':
      return tlsStack(words[0]);
    case 'udp':
      return udpStack({ packet: Number(words[0]), sealed: false }, words[1]);
    case 'sealed':
      return udpStack({ packet: Number(words[0]), sealed: true }, words[1]);
    case 'pilot':
      return words[1] === undefined ? pilotStack(words[0]!) : pilotStack(words[0]!, Number(words[1]));
    case 'node':
      return nodeStack(words[0]!, words[1]!);
    case 'rival':
      return rivalStack(words[0]!);
    default:
      throw new TypeError(`no such stack: ${kind}`);
  }
}
