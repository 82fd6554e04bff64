/**
 * Operations that take effect one after another.
 */

export interface OperationQueue {
  /** Starts when all operations before it have ended, whether they failed or not. */
  after<T>(operation: () => Promise<T>): Promise<T>;
  /** For what needs no waiting: at once if nothing is under way. */
  now(operation: () => void): void;
  idle(): boolean;
}

export function createOperationQueue(): OperationQueue {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const after = <T>(operation: () => Promise<T>): Promise<T> => {
    waiting++;
    // Counted before the caller hears of it: who awaited it finds the queue idle.
    const result = tail.then(operation).finally(() => waiting--);
    // A failed operation has told its own caller; the next one is not its victim.
    tail = result.catch(() => {});
    return result;
  };
  return {
    after,
    idle: () => waiting === 0,
    now(operation: () => void): void {
      if (waiting === 0) operation();
      else void after(async () => operation()).catch(() => {});
    },
  };
}
