import { PilotError } from '../../../api/errors.ts';
import { canonicalJson } from '../../../wire/json.ts';
import { decideGate, type NetworkGate, type PolicyDecision } from '../../../wire/policy/decide.ts';
import { type Policy, type PolicyRule, parsePolicy } from '../../../wire/policy/document.ts';
import type { GateFacts } from '../../../wire/policy/events.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { lifetime, SERVICE_PORTS } from '../../terms.ts';
import { printable } from '../../text.ts';
import { oneOf, path, peer, type Value, wholeNumber } from '../../values.ts';
import { describePolicyPorts, network, readPolicyFile, tagList } from './values.ts';

/** A port, or the name of a service. */
const servicePort: Value<number> = {
  label: 'port',
  parse(input) {
    if (Object.hasOwn(SERVICE_PORTS, input)) return SERVICE_PORTS[input]!;
    return wholeNumber('port', 0, 65_535).parse(input);
  },
};

export const networkTestPolicy = defineCommand({
  name: 'network test-policy',
  group: 'Networks',
  summary: 'Say what a policy decides, and why, without setting it',
  details:
    'Takes a policy from a file, which needs no daemon, or that of a network this node is in. connect is a stream that ' +
    'comes in, dial one that goes out. With --peer, tags and age are those of that member.',
  args: { network: { value: network, summary: 'number or name of a network', optional: true } },
  flags: {
    file: { value: path, summary: 'file with an expression policy' },
    event: {
      value: oneOf('event', ['connect', 'dial', 'datagram']),
      fallback: 'connect',
      summary: 'what happens: connect, dial or datagram',
    },
    port: { value: servicePort, fallback: '1001', summary: 'port at the destination, or a service' },
    peer: { value: peer, summary: 'take tags and age of this member' },
    peerTags: { value: tagList, summary: 'member tags of the peer' },
    ownTags: { value: tagList, summary: 'member tags of this node' },
    peerAge: { value: lifetime, fallback: '1h', summary: 'how long the peer has been a member' },
    direction: { value: oneOf('direction', ['in', 'out']), fallback: 'in', summary: 'of a datagram' },
    size: { value: wholeNumber('bytes', 0, 65_535), fallback: '100', summary: 'of a datagram' },
  },
  timeout: '15s',
  returns:
    '{verdict: allow|deny, by: rule|default|ports|error|nothing, rule?, error?, facts, steps: [{rule, match, matched}], notes}',
  examples: [
    {
      line: 'pilotctl network test-policy --file policy.json --port 80 --peer-tags service',
      about: 'May a service reach port 80 here?',
    },
    {
      line: 'pilotctl network test-policy lab --event dial --port messages --peer node-b',
      about: 'May this node write to node-b?',
    },
  ],
  async run(context, { args, flags }) {
    const subject = await subjectOf(context, args.network, flags);
    const facts: GateFacts = {
      event: flags.event,
      peer: subject.peer,
      port: flags.port,
      network: subject.network,
      peerAge: subject.peerAge ?? flags.peerAge,
      peerTags: flags.peerTags ?? subject.peerTags,
      localTags: flags.ownTags ?? subject.ownTags,
      size: flags.size,
      direction: flags.event === 'datagram' ? flags.direction : flags.event === 'dial' ? 'out' : 'in',
    };
    const steps: { rule: string; match: string; matched: boolean }[] = [];
    const onRule = ({ name, match }: PolicyRule, matched: boolean): void => {
      steps.push({ rule: name, match, matched });
    };
    const decision = decideGate(subject.gate, facts, onRule);
    const { policy } = subject.gate;
    const notes = policy === undefined || 'error' in policy ? [] : policy.notes;
    const lines = [
      `${decision.verdict === 'allow' ? 'allowed' : 'denied'}: ${reason(decision, subject.gate)}`,
      ...steps.map((step) => `  ${step.matched ? 'matches' : 'no match'}  ${step.rule}: ${step.match}`),
      ...notes.map((note) => `note: ${note}`),
    ];
    return {
      data: { ...decision, facts: shownFacts(facts), steps, notes },
      human: lines.map((line) => printable(line)).join('\n'),
    };
  },
});

interface Subject {
  readonly gate: NetworkGate;
  readonly network: number;
  readonly peer: number;
  readonly peerTags: readonly string[];
  readonly ownTags: readonly string[];
  readonly peerAge?: number;
}

async function subjectOf(
  context: Context,
  name: string | undefined,
  flags: { readonly file: string | undefined; readonly peer: string | undefined },
): Promise<Subject> {
  if (name === undefined && flags.file === undefined) {
    throw new PilotError('invalid_argument', 'There is no policy to test: a network or --file is missing', {
      hint: 'see: pilotctl network test-policy --help',
    });
  }
  if (name === undefined && flags.peer !== undefined) {
    throw new PilotError('invalid_argument', '--peer needs a network', {
      hint: 'name the network first, or give --peer-tags',
    });
  }
  const given = flags.file === undefined ? undefined : await policyFrom(context, flags.file);
  const unknown = { network: 1, peer: 1, peerTags: [], ownTags: [] };
  if (name === undefined) return { ...unknown, gate: { ports: [], policy: given } };
  const client = await context.client();
  const row = await client.networks.policy(name, context.signal);
  const member =
    flags.peer === undefined ? undefined : await client.networks.peer(name, flags.peer, context.signal);
  const own = row.expr_policy === null ? undefined : parsePolicy(canonicalJson(row.expr_policy));
  return {
    gate: { ports: row.allowed_ports, policy: given ?? own },
    network: row.network_id,
    peer: member?.node_id ?? 1,
    peerTags: member?.tags ?? [],
    ownTags: row.tags,
    ...(member !== undefined && {
      peerAge: Math.max(0, Math.floor(context.host.clock.wallNow() / 1000) - member.since),
    }),
  };
}

async function policyFrom(context: Context, file: string): Promise<Policy> {
  const parsed = parsePolicy(canonicalJson(await readPolicyFile(context, file)));
  if (!('error' in parsed)) return parsed;
  throw new PilotError('invalid_argument', `Cannot use ${file}: ${parsed.at}: ${parsed.error}`, {
    hint: 'members refuse everything while a network has such a policy',
  });
}

function reason(decision: PolicyDecision, gate: NetworkGate): string {
  switch (decision.by) {
    case 'rule':
      return `by the rule "${decision.rule}"`;
    case 'default':
      return 'no rule decides, which allows';
    case 'ports':
      return `the network lets ports ${describePolicyPorts(gate.ports)} pass`;
    case 'nothing':
      return 'the network has no policy';
    case 'error':
      return decision.rule === undefined
        ? `the policy is not understood: ${decision.error}`
        : `the rule "${decision.rule}" fails: ${decision.error}`;
    default:
      return decision.by satisfies never;
  }
}

/** As expressions name them. */
function shownFacts(facts: GateFacts): object {
  return {
    event: facts.event,
    peer_id: facts.peer,
    port: facts.port,
    network_id: facts.network,
    peer_age_s: facts.peerAge,
    peer_tags: facts.peerTags,
    local_tags: facts.localTags,
    ...(facts.event === 'datagram' && { size: facts.size, direction: facts.direction }),
  };
}
