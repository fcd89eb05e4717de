import type { AuditAction } from '../../../api/audit-actions.ts';
import type { NodeId } from '../../../base/units.ts';
import type { AuditFacts } from '../../../wire/audit-entry.ts';
import type { Changes } from '../../store/store.ts';
import type { Call } from '../call.ts';

/** What a request changed; who did it, when and from where is added. */
export type Recorded = Pick<AuditFacts, 'node' | 'target' | 'network' | 'details'> & {
  readonly action: AuditAction;
  /** Where who did it is known only afterwards. */
  readonly by?: string;
};

/** Makes one change of the store, and with it the records of what it changed. `by` is as in audit entries. */
export async function recorded<T>(
  call: Call,
  by: string,
  change: (store: Changes) => Promise<T>,
  record: (outcome: T) => readonly Recorded[],
): Promise<T> {
  const { shared, remote, at } = call;
  let noted: readonly Recorded[] = [];
  const outcome = await shared.store.audited(change, (result) => {
    noted = record(result);
    return noted.map((facts) => ({ at, by, source: remote.host, ...facts }));
  });
  if (noted.length > 0) shared.sealer.arm();
  for (const { action, node, target, network, by: author = by } of noted) {
    shared.log.event(action.startsWith('node.') ? 'debug' : 'info', 'registry.audit', {
      action,
      by: author,
      ...(node === undefined ? {} : { node }),
      ...(target === undefined ? {} : { target }),
      ...(network === undefined ? {} : { network }),
    });
  }
  return outcome;
}

/** Who made a request, as in audit entries. */
export function actor(call: Call, node: NodeId, proof: string): string {
  return proof === 'admin' && call.operator !== undefined ? call.operator.name : `node:${node}`;
}
