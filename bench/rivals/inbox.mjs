/** Chunks that arrive by call and leave by promise. */
export function inbox() {
  const chunks = [];
  let ended = false;
  let wake = () => {};
  return {
    get size() {
      return chunks.length;
    },
    push(chunk) {
      chunks.push(chunk);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async read() {
      while (chunks.length === 0 && !ended) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      return chunks.shift();
    },
  };
}
