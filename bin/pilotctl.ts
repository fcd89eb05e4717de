#!/usr/bin/env node
import { main } from './host/main.ts';

await main(process.argv.slice(2));
