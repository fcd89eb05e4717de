/** Nodes that proved their keys, and sign what they ask about networks. */
import assert from 'node:assert/strict';
import type { SigningKey } from '../../../base/crypto.ts';
import type { RegistryConfig } from '../../config.ts';
import {
  identity,
  type Reply,
  type TestConnection,
  type TestRegistry,
  testRegistry,
} from '../../registry.testkit.ts';

export interface Person {
  readonly id: number;
  readonly key: SigningKey;
  readonly connection: TestConnection;
  /** A signed request as this node. */
  ask(type: string, fields?: object): Promise<Reply>;
  /** As `ask`; throws unless it succeeds. */
  must(type: string, fields?: object): Promise<Reply>;
  /** The code of a refusal, or the type of the reply. */
  outcome(type: string, fields?: object): Promise<unknown>;
}

export interface Village extends TestRegistry {
  /** The next node: ids count from 1. */
  person(host?: string): Promise<Person>;
}

/** A registry and as many registered nodes as are asked for. */
export async function village<Count extends number>(
  count: Count,
  config: Partial<RegistryConfig> = {},
): Promise<{ readonly registry: Village; readonly people: readonly Person[] }> {
  const base = testRegistry({ adminToken: 'operator', ...config });
  let seed = 0;
  const registry: Village = {
    ...base,
    async person(host) {
      const key = identity(++seed);
      const connection = base.connect(host ?? `198.51.100.${seed}`);
      const id = await connection.registerProven(key);
      const ask = (type: string, fields: object = {}): Promise<Reply> =>
        connection.signed(key, { type, node_id: id, ...fields });
      return {
        id,
        key,
        connection,
        ask,
        async must(type, fields) {
          const reply = await ask(type, fields);
          assert.equal(reply.type, `${type}_ok`, JSON.stringify(reply));
          return reply;
        },
        outcome: async (type, fields) => codeOf(await ask(type, fields)),
      };
    },
  };
  const people: Person[] = [];
  for (let i = 0; i < count; i++) people.push(await registry.person());
  return { registry, people };
}

export function codeOf(reply: Reply): unknown {
  return reply.code ?? reply.error ?? reply.type;
}

/** Makes a network and lets `members` join it with their own requests. */
export async function network(
  owner: Person,
  members: readonly Person[],
  fields: { name?: string; join_rule?: string; token?: string } = {},
): Promise<number> {
  const made = await owner.must('create_network', { name: 'net', ...fields });
  const network_id = Number(made.network_id);
  for (const member of members) {
    if (fields.join_rule === 'invite') {
      await owner.must('invite_to_network', { inviter_id: owner.id, network_id, target_node_id: member.id });
      await member.must('respond_invite', { network_id, accept: true });
    } else await member.must('join_network', { network_id, token: fields.token ?? made.token ?? '' });
  }
  return network_id;
}

/** Everything the store keeps of a network, to see that an attack changed nothing. */
export async function stateOf({ store }: TestRegistry, id: number): Promise<unknown> {
  return { record: await store.network(id), members: await store.members(id, 1000) };
}
