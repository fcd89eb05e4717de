#!/usr/bin/env node
/** Started by `pilotctl daemon start`, or by hand or a service manager as `pilotctl daemon start --foreground`. */
import { runDaemon } from './daemon-main.ts';
import { runLaunched } from './host/launched.ts';
import { main } from './host/main.ts';

if (process.argv[2] === '--launched') runLaunched(runDaemon);
else await main(['daemon', 'start', '--foreground', ...process.argv.slice(2)]);
