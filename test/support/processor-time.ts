/** Milliseconds that this process has computed so far: what a busy machine adds to the clock is not counted. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
