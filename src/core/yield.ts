/**
 * Resolves in a later task of the event loop, so that timers, input events and abort signals get their turn. Costs microseconds:
 * `setTimeout(0)` waits 1 ms in Node and 4 ms in browsers.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else if (typeof MessageChannel === "function") {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    } else if (typeof setTimeout === "function") setTimeout(resolve);
    else resolve(); // a bare engine: nothing else waits
  });
}
