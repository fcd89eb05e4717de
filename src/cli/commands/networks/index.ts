import type { Command } from '../../command.ts';
import { networkAccept, networkAcceptInvite, networkDeclineInvite, networkReject } from './answer-invite.ts';
import { networkCreate } from './create.ts';
import { networkDelete } from './delete.ts';
import { networkDemote } from './demote.ts';
import { networkInvite } from './invite.ts';
import { networkInvites } from './invites.ts';
import { networkJoin } from './join.ts';
import { networkKick } from './kick.ts';
import { networkLeave } from './leave.ts';
import { networkList } from './list.ts';
import { networkMembers } from './members.ts';
import { networkPolicy } from './policy.ts';
import { networkPromote } from './promote.ts';
import { networkRename } from './rename.ts';
import { networkRotateToken } from './rotate-token.ts';
import { networkSetPolicy } from './set-policy.ts';
import { networkTags } from './tags.ts';
import { networkTestPolicy } from './test-policy.ts';
import { networkTransfer } from './transfer.ts';

/** In the order help and docs show them. */
export const NETWORK_COMMANDS: readonly Command[] = [
  networkCreate,
  networkList,
  networkJoin,
  networkLeave,
  networkMembers,
  networkInvite,
  networkInvites,
  networkAcceptInvite,
  networkDeclineInvite,
  networkAccept,
  networkReject,
  networkKick,
  networkPromote,
  networkDemote,
  networkTransfer,
  networkRename,
  networkDelete,
  networkTags,
  networkPolicy,
  networkSetPolicy,
  networkTestPolicy,
  networkRotateToken,
];
