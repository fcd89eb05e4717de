import type { JsonObject } from '../wire/json.ts';
import { signedString } from '../wire/registry-signatures.ts';

/** The old challenge string of a request made through `call`, or undefined when old servers take it unsigned. */
export function legacyString(type: string, fields: JsonObject): string | undefined {
  const number = (name: string): number => (typeof fields[name] === 'number' ? fields[name] : 0);
  const node = number('node_id');
  switch (type) {
    case 'set_task_exec':
      return signedString.setTaskExec(node);
    case 'set_key_expiry':
      return signedString.setKeyExpiry(node);
    case 'rotate_key':
      return signedString.rotateKey(node);
    case 'punch':
      return signedString.punch(number('node_a'), number('node_b'));
    case 'join_network':
      return signedString.joinNetwork(node, number('network_id'));
    case 'leave_network':
      return signedString.leaveNetwork(node, number('network_id'));
    case 'invite_to_network':
      return signedString.inviteToNetwork(
        number('inviter_id'),
        number('network_id'),
        number('target_node_id'),
      );
    case 'poll_invites':
      return signedString.pollInvites(node);
    case 'respond_invite':
      return signedString.respondInvite(node, number('network_id'));
    default:
      return undefined;
  }
}
