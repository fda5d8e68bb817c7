/** What a value is, in a word, for sentences about arguments: null and lists are told apart from other objects. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return value === undefined ? "nothing" : Array.isArray(value) ? "a list" : typeof value;
}

/**
 * The class of a built-in object, such as "Uint8Array" also for a Buffer, "ArrayBuffer" or "URL". Not `instanceof`: test runners and vm contexts hand over objects of another realm,
 * whose classes are others by the same names.
 */
export function classOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** Classes of the host that a bare engine has not: there is nothing for `instanceof` to look at. */
interface HostClasses {
  readonly Blob: Blob;
  readonly ReadableStream: ReadableStream<Uint8Array>;
  readonly Request: Request;
  readonly Response: Response;
}

/** Whether it is an object of this class, of whatever realm. */
export function isOf<Name extends keyof HostClasses>(value: unknown, name: Name): value is HostClasses[Name] {
  const found = classOf(value);
  return found === name || (name === "Blob" && found === "File");
}

/** A value as it is written, for sentences about arguments; the kind of what has no short spelling. */
export function shown(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  try {
    const text = JSON.stringify(value) as string | undefined;
    return text !== undefined && text.length <= 80 ? text : kindOf(value);
  } catch {
    return kindOf(value); // it holds itself, or a bigint
  }
}
