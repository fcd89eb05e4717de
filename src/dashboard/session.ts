import type { SessionInfo } from '../api/dashboard.ts';
import { ask, problemText } from './api.ts';

/** Who looks, and how that changes. The token itself stays in a cookie that no script can read. */
export interface Session {
  operator(): boolean;
}

/** `changed` is called whenever another eye looks. */
export async function session(changed: () => void): Promise<Session> {
  const find = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
  const dialog = find<HTMLDialogElement>('login');
  const button = find<HTMLButtonElement>('session');
  const token = find<HTMLInputElement>('token');
  const problem = find('login-problem');
  const state = { info: { operator: null, scopes: [] } as SessionInfo };
  const sees = (): boolean => state.info.scopes.includes('nodes:read');
  const become = (info: SessionInfo): void => {
    state.info = info;
    button.textContent = info.operator === null ? 'Log in' : 'Log out';
    button.title = info.operator === null ? '' : `Logged in as ${info.operator}`;
  };
  button.addEventListener('click', () => {
    if (state.info.operator === null) {
      problem.textContent = '';
      token.value = '';
      dialog.showModal();
      return;
    }
    void ask<SessionInfo>('/api/session', { method: 'DELETE' }).then((info) => {
      become(info);
      changed();
    });
  });
  find('login-cancel').addEventListener('click', () => dialog.close());
  find<HTMLFormElement>('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ token: token.value });
    void ask<SessionInfo>('/api/session', { method: 'POST', headers, body })
      .then((info) => {
        token.value = '';
        become(info);
        dialog.close();
        changed();
      })
      .catch((error: unknown) => {
        problem.textContent = problemText(error);
      });
  });
  become(await ask<SessionInfo>('/api/session').catch(() => state.info));
  return { operator: sees };
}
