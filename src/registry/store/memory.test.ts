import { storeContract } from './contract.testkit.ts';
import { memoryStore } from './memory.ts';

storeContract('memory', async () => memoryStore());
