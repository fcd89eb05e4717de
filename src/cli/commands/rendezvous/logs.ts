import { logsCommand } from '../daemon/logs.ts';

export const rendezvousLogs = logsCommand('rendezvous', (home) => home.rendezvous.log);
