const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is a file",
  EACCES: "permission denied",
  EEXIST: "a file of that name is there",
  ENOSPC: "the disk is full",
  ENAMETOOLONG: "the name is too long",
  EPIPE: "nobody reads it",
  ERR_INVALID_ARG_VALUE: "a path holds no NUL character",
  ERR_INVALID_URL: "it is no URL",
  ERR_INVALID_FILE_URL_PATH: "it names no file",
  ERR_INVALID_FILE_URL_HOST: "it names another machine",
};

/** Why a file could not be read or written: Node's code, and what it means. */
export function fileReason(cause: unknown): string {
  const { message = String(cause), code = message } = cause as Error & { readonly code?: string };
  const reason = REASONS[code];
  return reason === undefined ? code : `${code} (${reason})`;
}
