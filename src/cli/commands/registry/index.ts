import type { Command } from '../../command.ts';
import { auditExport, auditHead, auditVerify } from './audit.ts';
import { tokenCreate, tokenList, tokenRevoke } from './token.ts';
import {
  webhookAdd,
  webhookChange,
  webhookDead,
  webhookList,
  webhookRedeliver,
  webhookRemove,
  webhookTest,
} from './webhook.ts';

/** What operators of a registry do, in the order help and docs show it. */
export const OPERATOR_COMMANDS: readonly Command[] = [
  tokenCreate,
  tokenList,
  tokenRevoke,
  auditExport,
  auditVerify,
  auditHead,
  webhookAdd,
  webhookList,
  webhookChange,
  webhookRemove,
  webhookTest,
  webhookDead,
  webhookRedeliver,
];
