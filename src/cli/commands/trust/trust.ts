import type { TrustedRow } from '../../../sdk/index.ts';
import { defineCommand, type Result } from '../../command.ts';
import type { Context } from '../../context.ts';
import { briefGrant, describeEnd } from '../../terms.ts';
import { formatTable, plural, printable } from '../../text.ts';
import { describeApprover, nameOf } from './words.ts';

export const trust = defineCommand({
  name: 'trust',
  group: 'Trust',
  summary: 'List trusted peers, and what either side may reach',
  details:
    'GIVES is what the peer may reach here, GETS what this node may reach there. A peer of kind legacy cannot sign ' +
    'certificates; what it gets here is limited all the same.',
  flags: { auto: { summary: 'list the rules of automatic approval, and whom they admitted' } },
  timeout: '15s',
  returns:
    '{trusted: [{node_id, address, hostname, public_key, approved_at, mutual, network, gives, gets, expires_at?, renew, kind, approved_by, serial}]}; with --auto {rules: [{name, admits, approvals, left?}], approvals: [{node_id, hostname, rule, approved_at}]}',
  examples: [
    { line: 'pilotctl trust', about: 'Who is trusted?' },
    { line: 'pilotctl trust show node-b', about: 'Everything about one of them' },
    { line: 'pilotctl trust --auto', about: 'Who was admitted by a rule?' },
  ],
  async run(context, { flags }) {
    const client = await context.client();
    if (flags.auto) return listAuto(context);
    const trusted = await client.trusted();
    if (trusted.length === 0) {
      return {
        data: { trusted },
        human: 'no trusted peers yet\nask one with: pilotctl handshake PEER "reason"',
      };
    }
    const head = ['NODE ID', 'HOSTNAME', 'ADDRESS', 'GIVES', 'GETS', 'EXPIRES', 'KIND', 'APPROVED BY'];
    const rows = trusted.map((row) => rowOf(row, context.host.clock.wallNow()));
    return { data: { trusted }, human: formatTable(head, rows) };
  },
});

function rowOf(row: TrustedRow, wall: number): string[] {
  return [
    String(row.node_id),
    printable(row.hostname),
    row.address,
    briefGrant(row.gives),
    briefGrant(row.gets),
    `${describeEnd(row.expires_at, wall)}${row.renew ? ' (renewed)' : ''}`,
    row.kind,
    describeApprover(row.approved_by),
  ];
}

async function listAuto(context: Context): Promise<Result> {
  const client = await context.client();
  const { rules, approvals } = await client.trust.autoApprovals();
  if (rules.length === 0 && approvals.length === 0) {
    return {
      data: { rules, approvals },
      human: 'nothing is approved automatically\nset rules with: pilotctl config --set auto_approve=JSON',
    };
  }
  const ruleRows = rules.map((rule) => [
    rule.name,
    printable(rule.admits),
    String(rule.approvals),
    rule.left === undefined ? '-' : String(rule.left),
  ]);
  const rows = approvals.map((row) => [
    printable(nameOf(row)),
    row.rule,
    context.host.localTime(row.approved_at * 1000),
  ]);
  return {
    data: { rules, approvals },
    human: [
      formatTable(['RULE', 'ADMITS', 'TRUSTED', 'LEFT NOW'], ruleRows),
      '',
      rows.length === 0
        ? 'nobody was admitted by a rule'
        : formatTable([`PEER (${plural(rows.length, 'peer')})`, 'RULE', 'APPROVED'], rows),
    ].join('\n'),
  };
}
