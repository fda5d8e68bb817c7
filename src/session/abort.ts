/** The promise, or a rejection with the signal's reason as soon as it aborts; what the promise becomes then is nobody's business. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    // First, so that nothing is left unhandled, which would end the process, should the signal throw.
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}
