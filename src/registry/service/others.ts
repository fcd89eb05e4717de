/**
 * Several processes on one store: what one of them is told concerns connections and memory of the others. They tell each
 * other over the store's bus; this is what each does with what it hears. See docs/decisions/0032.
 */
import type { Millis, NodeId } from '../../base/units.ts';
import type { BusMessage } from '../store/store.ts';
import type { Shared } from './call.ts';
import { PUSH_EVENTS, type PushEvent } from './subscribers.ts';
import { tellPeersHere } from './tell-peers.ts';

/** After messages may have been lost, this many subscribers are told to look before a pause. */
const SLICE = 500;
const PAUSE: Millis = 50;

export function hearOthers(shared: Shared): void {
  shared.store.bus?.receive(
    (message) => hear(shared, message),
    () => void lookAll(shared),
  );
}

function hear(shared: Shared, message: BusMessage): void {
  const { subscribers, contacts, beacons, networks, clock } = shared;
  switch (message.kind) {
    case 'tell':
      if (isPushEvent(message.event))
        subscribers.tellHere(message.node, message.event, message.from, message.network);
      return;
    case 'peers':
      void peersOf(shared, message.node, message.event);
      return;
    case 'network':
      if (message.about === undefined) networks.announcer.changedHere(message.network);
      else networks.announcer.standsHere(message.network, message.about);
      return;
    case 'gone':
      networks.announcer.goneHere(message.network, message.members);
      return;
    case 'contact':
      contacts.noteHere(message.from, message.to, clock.now());
      return;
    case 'beacon':
      beacons.announceHere(message.id, message.address, clock.now());
      return;
    default:
      // A newer process tells what we do not know.
      message satisfies never;
  }
}

async function peersOf(shared: Shared, node: NodeId, event: string): Promise<void> {
  const { store, subscribers, clock } = shared;
  if (event !== 'peer_moved' && event !== 'key_rotated') return;
  // Whoever subscribed under the old key speaks for the node no longer.
  if (event === 'key_rotated') subscribers.dropNode(node);
  try {
    await tellPeersHere(store, subscribers, node, event, clock.wallNow());
  } catch {
    // The store is failing; peers find out at their next resolve.
  }
}

/** Everybody looks at inbox and networks, a few at a time. */
async function lookAll({ subscribers, clock }: Shared): Promise<void> {
  const nodes = subscribers.nodes();
  for (const [index, node] of nodes.entries()) {
    if (index % SLICE === SLICE - 1) await clock.sleep(PAUSE);
    subscribers.tellHere(node, 'handshake_request', 0);
    subscribers.tellHere(node, 'network_changed', node);
  }
}

function isPushEvent(event: string): event is PushEvent {
  return (PUSH_EVENTS as readonly string[]).includes(event);
}
