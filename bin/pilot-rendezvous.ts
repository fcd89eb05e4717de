#!/usr/bin/env node
/** Started by `pilotctl rendezvous start`, or by hand or a service manager as `pilotctl rendezvous start --foreground`. */
import { runCli } from '../src/cli/main.ts';
import { runLaunched } from './host/launched.ts';
import { nodeHost } from './host/node-host.ts';
import { runRendezvous } from './rendezvous-main.ts';

if (process.argv[2] === '--launched') runLaunched(runRendezvous);
else
  process.exit(await runCli(nodeHost(), ['rendezvous', 'start', '--foreground', ...process.argv.slice(2)]));
