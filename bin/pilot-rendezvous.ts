#!/usr/bin/env node
/** Started by `pilotctl rendezvous start`, or by hand or a service manager as `pilotctl rendezvous start --foreground`. */
import { runLaunched } from './host/launched.ts';
import { main } from './host/main.ts';
import { runRendezvous } from './rendezvous-main.ts';

if (process.argv[2] === '--launched') runLaunched(runRendezvous);
else await main(['rendezvous', 'start', '--foreground', ...process.argv.slice(2)]);
