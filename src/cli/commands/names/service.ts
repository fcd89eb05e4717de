import { type Command, defineCommand } from '../../command.ts';
import { formatTable, printable } from '../../text.ts';
import { port, text } from '../../values.ts';
import { serviceName } from './tag-values.ts';

interface Row {
  readonly name: string;
  readonly port: number;
  readonly description: string;
}

const serviceAdd = defineCommand({
  name: 'service add',
  group: 'Names and visibility',
  summary: 'Offer a service in the signed record of this node',
  details:
    'Says what answers on a port, for whoever may see the node. It opens nothing: who may connect is a matter of trust, networks and visibility.',
  args: {
    name: { value: serviceName, summary: 'lower-case letters, digits and hyphens' },
    port: { value: port, summary: 'where it listens' },
  },
  flags: { description: { value: text, summary: 'one line for people and agents', fallback: '' } },
  timeout: '15s',
  returns: '{node_id, services: [{name, port, description}]}',
  examples: [
    {
      line: 'pilotctl service add forecast 1001 --description "weather by city, as JSON"',
      about: 'Messages are answered',
    },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const data = await client.identity.addService({
      name: args.name,
      port: args.port,
      description: flags.description,
    });
    return { data, human: table(data.services) };
  },
});

const serviceRemove = defineCommand({
  name: 'service remove',
  group: 'Names and visibility',
  summary: 'Offer a service no longer',
  args: { name: { value: serviceName, summary: 'as it was added' } },
  timeout: '15s',
  returns: '{node_id, services: [{name, port, description}]}',
  examples: [{ line: 'pilotctl service remove forecast', about: 'It moved elsewhere' }],
  async run(context, { args }) {
    const client = await context.client();
    const data = await client.identity.removeService(args.name);
    return { data, human: table(data.services) };
  },
});

const serviceList = defineCommand({
  name: 'service list',
  group: 'Names and visibility',
  summary: 'List the services this node offers',
  timeout: '15s',
  returns: '{node_id, services: [{name, port, description}]}',
  examples: [{ line: 'pilotctl service list', about: 'What does this node offer?' }],
  async run(context) {
    const client = await context.client();
    const { node_id, services } = await client.info();
    return { data: { node_id, services }, human: table(services) };
  },
});

export const SERVICE_COMMANDS: readonly Command[] = [serviceAdd, serviceRemove, serviceList];

function table(services: readonly Row[]): string {
  if (services.length === 0) return 'no services';
  return formatTable(
    ['SERVICE', 'PORT', 'DESCRIPTION'],
    services.map((row) => [printable(row.name), String(row.port), printable(row.description)]),
  );
}
