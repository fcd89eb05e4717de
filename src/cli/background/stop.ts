import { PilotError } from '../../api/errors.ts';
import type { Millis } from '../../base/units.ts';
import type { Context } from '../context.ts';
import type { RunRecord } from './run-file.ts';

const POLL: Millis = 50;
/** After this, a program that was asked to end is killed. spec/22 §2.2 */
const PATIENCE: Millis = 10_000;
const AFTER_KILL: Millis = 2000;

/** Ends a background program and waits until it is gone. True: it had to be killed. Errors: `permission_denied`, `timeout`. */
export async function stopProgram(context: Context, record: RunRecord): Promise<boolean> {
  if (!send(context, record, 'SIGTERM')) return false;
  if (await gone(context, record, PATIENCE)) return false;
  send(context, record, 'SIGKILL');
  if (await gone(context, record, AFTER_KILL)) return true;
  throw new PilotError('timeout', `Cannot stop process ${record.pid}: it does not end`, {
    hint: `ps -p ${record.pid}`,
  });
}

function send(context: Context, record: RunRecord, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  return context.host.processes.signal(record.pid, signal);
}

async function gone(context: Context, record: RunRecord, patience: Millis): Promise<boolean> {
  const { clock, processes } = context.host;
  const until = clock.now() + patience;
  while (clock.now() < until) {
    if ((await processes.stamp(record.pid)) !== record.stamp) return true;
    await clock.sleep(POLL, context.signal);
  }
  return false;
}
