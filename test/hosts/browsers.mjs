// Real browsers without a driver: the page that is opened sends what it has to say to a server here.
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, extname, join } from "node:path";

const TYPES = {
  ...{ ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css" },
  ...{ ".wasm": "application/wasm", ".json": "application/json" },
};
/** What the package asks of a content security policy. */
export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
const PATIENCE = 120_000;

const COMMANDS = {
  chromium: ({ profile, url, extension }) => [
    ...["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`],
    ...(extension === undefined ? [] : [`--load-extension=${extension}`]),
    url,
  ],
  firefox: ({ profile, url }) => ["--headless", "--no-remote", "--profile", profile, url],
  // WebKitGTK draws into a window only: a screen without a screen.
  webkit: ({ program, url }) => ["--auto-servernum", program, url],
};
/** What starts another program than the browser's own. */
const STARTERS = { webkit: "xvfb-run" };
const NAMES = { chromium: ["chromium", "chromium-browser", "google-chrome"], firefox: ["firefox-esr", "firefox"] };

/** The browsers of this machine by name, with the path of the program of each. */
export function installedBrowsers() {
  const found = Object.entries(NAMES).map(([name, programs]) => [
    name,
    which(programs.find((program) => spawnSync(program, ["--version"]).status === 0)),
  ]);
  if (which(STARTERS.webkit) !== undefined) found.push(["webkit", miniBrowser()]);
  return Object.fromEntries(found.filter(([, program]) => program !== undefined));
}

/** The browser that comes with WebKitGTK (Debian: libwebkit2gtk-4.1-0), which is in no search path. */
function miniBrowser() {
  const parents = ["/usr/lib", "/usr/libexec", ...children("/usr/lib", /-linux-gnu/)];
  const folders = parents.flatMap((parent) => children(parent, /^webkit(2gtk|gtk)-/));
  return folders.map((folder) => join(folder, "MiniBrowser")).find(existsSync);
}

function children(folder, name) {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).filter((one) => name.test(one));
  return found.map((one) => join(folder, one));
}

/** Where a program is in the search path. */
function which(program) {
  const folders = program === undefined ? [] : process.env.PATH.split(delimiter);
  return folders.map((folder) => join(folder, program)).find(existsSync);
}

/** Serves files of `folder` under /, with the policy and the headers, and resolves what is sent to /report/NAME. `requests(PATH)`: how often a file has been sent. */
export async function serve(folder, policy = POLICY, headers = {}) {
  const waiting = new Map();
  const sent = new Map();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname.startsWith("/report/")) {
      let text = "";
      request.on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => waiting.get(pathname.slice(8))?.(text));
      response.writeHead(200, { "access-control-allow-origin": "*" }).end();
      return;
    }
    const path = join(folder, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    if (!path.startsWith(folder) || !existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    sent.set(pathname, (sent.get(pathname) ?? 0) + 1);
    response.writeHead(200, { "content-type": type, "content-security-policy": policy, ...headers });
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://localhost:${server.address().port}`;
  const report = (name) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`nothing was heard in ${PATIENCE / 1000} s`)), PATIENCE);
      waiting.set(name, (text) => {
        clearTimeout(late);
        waiting.delete(name);
        resolve(text);
      });
    });
  return { origin, report, requests: (path) => sent.get(path) ?? 0, close: () => server.close() };
}

/** Opens a page and resolves with what it reports under `name`. */
export async function visit([browser, program], url, heard, { extension } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "bitbasis-browser-"));
  const child = spawn(STARTERS[browser] ?? program, COMMANDS[browser]({ program, profile, url, extension }), {
    ...{ stdio: "ignore", detached: true },
    // WebKitGTK keeps everything under the home folder.
    env: browser === "webkit" ? { ...process.env, HOME: profile, XDG_RUNTIME_DIR: profile } : process.env,
  });
  try {
    return await heard;
  } finally {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    try {
      process.kill(-child.pid);
    } catch {
      // it has ended by itself
    }
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 5000))]);
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  }
}
