#!/usr/bin/env node
import { runCli } from '../src/cli/main.ts';
import { nodeHost } from './host/node-host.ts';

process.exit(await runCli(nodeHost(), process.argv.slice(2)));
