// A specialist that measures text: one long-lived process, a line of JSON in and out for each message.
import { createInterface } from 'node:readline';

let answered = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { id, data = '' } = JSON.parse(line);
  const json = /^\/data\s+(.+)$/s.exec(data.trim())?.[1];
  const text = json === undefined ? data : parsed(json);
  if (text === undefined) console.log(JSON.stringify({ id, error: 'after /data I need {"text": "…"}' }));
  else {
    const stats = measure(text);
    const { words, sentences, longest } = stats;
    const prose = `${words} words, ${sentences} sentences, longest word "${longest}"`;
    console.log(
      JSON.stringify({ id, data: json === undefined ? prose : { ...stats, answered: ++answered } }),
    );
  }
}

function parsed(json) {
  try {
    const { text } = JSON.parse(json);
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}

function measure(text) {
  const words = text.match(/[\p{L}\p{N}'-]+/gu) ?? [];
  return {
    characters: [...text].length,
    words: words.length,
    sentences: text.match(/[.!?…]+(\s|$)/g)?.length ?? (words.length > 0 ? 1 : 0),
    longest: words.reduce((longest, word) => (word.length > longest.length ? word : longest), ''),
  };
}
