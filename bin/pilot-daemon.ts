#!/usr/bin/env node
/** Started by `pilotctl daemon start`, or by hand or a service manager as `pilotctl daemon start --foreground`. */
import { runCli } from '../src/cli/main.ts';
import { runDaemon } from './daemon-main.ts';
import { runLaunched } from './host/launched.ts';
import { nodeHost } from './host/node-host.ts';

if (process.argv[2] === '--launched') runLaunched(runDaemon);
else process.exit(await runCli(nodeHost(), ['daemon', 'start', '--foreground', ...process.argv.slice(2)]));
