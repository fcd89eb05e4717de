import { asPilotError } from '../../../api/errors.ts';
import type { CandidateRow, NatRow, PunchRow, WhyReport } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import { notFound } from '../../peers.ts';
import { formatFields, formatMillis, formatSpan, formatTable, plural, printable } from '../../text.ts';
import { parseDuration, peer, type Value } from '../../values.ts';

/** Longest time to wait for a settled answer, ms. */
const MOST = 120_000;
/** Below it, an address was heard a moment ago, ms. */
const FRESH = 30_000;

const wait: Value<number> = {
  label: 'duration',
  parse(input) {
    const millis = parseDuration(input);
    if (millis === undefined || millis > MOST)
      throw new RangeError('expected a duration of 0s to 2m, such as 8s');
    return millis;
  },
};

export const why = defineCommand({
  name: 'why',
  group: 'Diagnostics',
  summary: 'Explain by which way a peer is reached, and why not by a better one',
  details:
    'Looks for paths to the peer, lists every address that was tried with the outcome, and names the cause and the one ' +
    'thing that would help. The causes: docs/connectivity.md.',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  flags: {
    wait: {
      value: wait,
      summary: 'how long to wait while paths are being opened; 0s tells what is known now',
      fallback: '8s',
    },
  },
  timeout: '30s',
  returns:
    '{node_id, address, hostname, verdict, cause, sentence, help, remarks: [{cause, meaning}], path, endpoint, rtt_ms, nat_here: {name, translation, mapping, filtering, allocation, step}, nat_there, candidates: [{kind, endpoint, origin, state, selected, probes, proven_ago_ms, heard_ago_ms, rtt_ms, loss, datagram_size, datagram_search}], punch: {strategy, outcome, ago_ms, packets, budget}, reason, first_path_ms, first_direct_ms, changed_ago_ms}',
  examples: [
    { line: 'pilotctl why node-b', about: 'Why is node-b relayed, or not reached at all?' },
    { line: 'pilotctl why node-b --json', about: 'The same for a program: match on data.cause' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const left = context.stepTimeout.timeout;
    try {
      const data = await client.why(args.peer, {
        wait: left === undefined ? flags.wait : Math.min(flags.wait, left),
        signal: context.signal,
      });
      return { data, human: report(data, args.peer) };
    } catch (thrown) {
      const error = asPilotError(thrown);
      throw error.code === 'not_found' ? notFound(args.peer, error) : error;
    }
  },
});

function report(why: WhyReport, asked: string): string {
  const name = asked === why.address ? asked : `${asked} (${why.address})`;
  const isTold = why.candidates.length > 0 && why.verdict !== 'idle';
  const tried = isTold ? ['', candidateTable(why.candidates)] : [];
  return [
    `${name}: ${HEADLINES[why.verdict]}${why.rtt_ms === null ? '' : `, ${formatMillis(why.rtt_ms)} there and back`}`,
    formatFields([
      ['Cause', why.cause],
      ['Because', printable(why.sentence)],
      ['Helps', why.help === null ? undefined : printable(why.help)],
    ]),
    ...tried,
    '',
    formatFields([
      ['NAT here', natText(why.nat_here)],
      ['NAT there', why.nat_there === null ? undefined : natText(why.nat_there)],
      ['Datagrams', sizeText(why.candidates)],
      ['Punch', why.punch === null ? undefined : punchText(why.punch)],
      ['Times', timesText(why)],
    ]),
    ...why.remarks.map(({ meaning }) => `note: ${meaning}`),
  ].join('\n');
}

const HEADLINES: Readonly<Record<WhyReport['verdict'], string>> = {
  direct: 'reached directly',
  relayed: 'reached through a relay',
  connecting: 'being connected',
  unreachable: 'not reached',
  idle: 'nothing under way',
};

const ORIGINS: Readonly<Record<string, string>> = {
  registered: 'registry',
  lan: 'local network',
  beacon: 'beacon',
  heard: 'heard',
  commanded: 'punch command',
  exchange: 'key exchange',
  told: 'the peer',
};

function candidateTable(candidates: readonly CandidateRow[]): string {
  const order = (one: CandidateRow): number => (one.selected ? 0 : one.state === 'proven' ? 1 : 2);
  const rows = [...candidates]
    .sort((a, b) => order(a) - order(b))
    .map((one) => [
      `${one.selected ? '*' : ' '} ${one.kind}`,
      one.endpoint,
      ORIGINS[one.origin] ?? printable(one.origin),
      outcomeText(one),
      one.rtt_ms === null ? '' : formatMillis(one.rtt_ms),
      one.loss === null ? '' : `${Math.round(one.loss * 100)}%`,
    ]);
  return formatTable(['  PATH', 'ADDRESS', 'KNOWN FROM', 'OUTCOME', 'RTT', 'LOSS'], rows);
}

/** `up to 1,472 bytes` */
function sizeText(candidates: readonly CandidateRow[]): string | undefined {
  const used = candidates.find(({ selected }) => selected);
  if (used === undefined) return undefined;
  const size = `up to ${used.datagram_size.toLocaleString('en-US')} bytes`;
  if (used.datagram_search === 'settled') return size;
  return used.datagram_search === 'base'
    ? `${size}, which every path carries`
    : `${size}; larger ones are tried while data moves`;
}

function outcomeText(one: CandidateRow): string {
  if (one.state === 'proven') return one.selected ? 'works, in use' : 'works, spare';
  if (one.state === 'failed') return 'worked, stopped answering';
  if (one.probes === 0) return 'not tried yet';
  const tried = `no answer to ${plural(one.probes, 'probe')}`;
  return one.heard_ago_ms !== null && one.heard_ago_ms < FRESH ? `${tried}, but heard from` : tried;
}

/** `port-restricted (mapping endpoint-independent, filtering address-and-port-dependent)` */
export function natText(nat: NatRow): string {
  if (nat.translation !== 'nat') return nat.name;
  const known = [
    nat.mapping === 'unknown' ? undefined : `mapping ${nat.mapping}`,
    nat.filtering === 'unknown' ? undefined : `filtering ${nat.filtering}`,
    nat.allocation === 'unknown'
      ? undefined
      : `ports ${nat.allocation}${nat.step === 0 ? '' : ` by ${nat.step}`}`,
  ].filter((part) => part !== undefined);
  return known.length === 0 ? nat.name : `${nat.name} (${known.join(', ')})`;
}

const OUTCOMES: Readonly<Record<PunchRow['outcome'], string>> = {
  running: 'under way',
  direct: 'opened a direct path',
  no_answer: 'no answer',
  refused: 'the peer refused',
  over_budget: 'gave up at its limit of packets',
};

function punchText({ strategy, outcome, ago_ms, packets, budget }: PunchRow): string {
  return `${strategy}, ${OUTCOMES[outcome]}, ${packets} of ${budget} packets, ${formatSpan(ago_ms)} ago`;
}

function timesText({ first_path_ms, first_direct_ms, changed_ago_ms }: WhyReport): string | undefined {
  const parts = [
    first_path_ms === null ? undefined : `first path after ${formatSpan(first_path_ms)}`,
    first_direct_ms === null ? undefined : `direct after ${formatSpan(first_direct_ms)}`,
    changed_ago_ms === null ? undefined : `unchanged for ${formatSpan(changed_ago_ms)}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(', ');
}
