// The playground in real browsers: what a visitor does, on every view. Chromium through Playwright; Firefox opens the page and says what it sees.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const OUT = fileURLToPath(new URL("build/site/", ROOT));
/**
 * Of everything but the sample networks and pictures. The bundler names what its chunks share by one or two letters: one more shared function
 * moves every name, and 19 bytes of code then show as 535 (measured with names kept and not).
 */
const BUDGET = 359_000;
const PATIENCE = 90_000;

interface Scripts {
  buildSite(): Promise<string[]>;
  serveSite(): Promise<{ url: string; close(): void }>;
  installedBrowsers(): Readonly<Record<string, string>>;
  serve(folder: string): Promise<{ origin: string; report(name: string): Promise<string>; close(): void }>;
  visit(browser: readonly [string, string], url: string, heard: Promise<string>): Promise<string>;
}

const scripts = async (path: string) => (await import(new URL(path, ROOT).href)) as Scripts;
const { buildSite, serveSite } = await scripts("scripts/site.mjs");
const { installedBrowsers, serve, visit } = await scripts("test/hosts/browsers.mjs");
const browsers = installedBrowsers();

let files: string[];
beforeAll(async () => {
  files = await buildSite();
}, 240_000);

describe("the files of the page", () => {
  it(`have at most ${BUDGET} bytes brotli, runtime, quantizer and theory included`, () => {
    const code = files.filter((file) => !file.startsWith("samples/"));
    const bytes = code.reduce((sum, file) => sum + brotliCompressSync(readFileSync(join(OUT, file))).length, 0);
    expect(code).toContain("worker.js");
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThanOrEqual(BUDGET);
  });

  it("draw before anything that computes has arrived", () => {
    const main = readFileSync(join(OUT, "main.js"), "utf8");
    expect(brotliCompressSync(main).length).toBeLessThan(15_000);
    expect(main).not.toContain("WebAssembly");
  });

  it("are all kept for when there is no network", () => {
    const offline = readFileSync(join(OUT, "offline.js"), "utf8");
    const kept = readdirSync(OUT, { recursive: true, encoding: "utf8" }).filter((file) => /\.\w+$/.test(file));
    for (const file of kept.filter((name) => name !== "offline.js")) expect(offline).toContain(JSON.stringify(file));
  });
});

describe.skipIf(browsers["chromium"] === undefined)("the page in Chromium (skipped where none is installed)", () => {
  let site: { url: string; close(): void };
  let browser: Browser;
  beforeAll(async () => {
    site = await serveSite();
    browser = await chromium.launch({ executablePath: browsers["chromium"]!, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  /** Opens the page; what it asks of other hosts, and what it throws, is an error of the test. */
  async function open(query: string, look: (page: Page) => Promise<void>, options: BrowserContextOptions = {}) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const wrong: string[] = [];
    page.on("pageerror", ({ message }) => wrong.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") wrong.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(site.url) && !/^(data|blob):/.test(request.url())) wrong.push(request.url());
    });
    try {
      await page.goto(site.url + query);
      await look(page);
      expect(wrong).toEqual([]);
    } finally {
      await context.close();
    }
  }
  const cards = (page: Page) => page.locator(".card b").allTextContents();

  it("quantizes a sample, and shows size, error, time and terms", () =>
    open("", async (page) => {
      await page.waitForSelector(".cards");
      const [size, difference, time, terms] = await cards(page);
      expect(Number.parseFloat(size!)).toBeLessThan(300);
      expect(Number(difference)).toBeGreaterThan(0);
      expect(Number(difference)).toBeLessThan(0.2);
      expect(Number.parseFloat(time!)).toBeGreaterThan(0);
      expect(Number(terms)).toBeGreaterThanOrEqual(1);
      expect(await page.locator("tbody tr").first().textContent()).toContain("boot");
    }));

  it("more terms are nearer to float32, and the address keeps the choice", () =>
    open("?view=run&sample=fmnist_resnet&preset=custom&bits=3&weights=1&activations=4&picture=7", async (page) => {
      await page.waitForSelector(".cards");
      const before = await cards(page);
      await page.getByRole("slider", { name: "Weight terms" }).fill("4");
      await expect.poll(() => page.url()).toContain("weights=4");
      await expect.poll(() => cards(page), { timeout: PATIENCE }).not.toEqual(before);
      const after = await cards(page);
      expect(Number(after[1])).toBeLessThan(Number(before[1]) / 4);
      await page.reload();
      await page.waitForSelector(".cards");
      expect((await cards(page)).slice(0, 2)).toEqual(after.slice(0, 2));
    }));

  it("takes a file of the visitor, says what is wrong with another one, and goes on", () =>
    open("", async (page) => {
      await page.waitForSelector(".cards");
      const file = fileURLToPath(new URL("test/fixtures/models/fmnist_mobilenet.onnx", ROOT));
      await page.getByLabel("Your own ONNX file").setInputFiles(file);
      await page.getByLabel("Shape of image").fill("2,1,28,28");
      await page.getByLabel("Shape of image").blur();
      await page.waitForSelector("text=Fed noise of a fixed seed");
      const bad = { name: "cat.onnx", mimeType: "application/octet-stream", buffer: Buffer.from("no network at all") };
      await page.getByLabel("Your own ONNX file").setInputFiles(bad);
      expect(await page.waitForSelector("[role=alert]").then((alert) => alert.textContent())).toMatch(/ONNX|protobuf/i);
      await page.getByLabel("Network").selectOption("fmnist_vit");
      await page.waitForSelector(".cards");
    }));

  it("shows what was asked for last, whatever comes in between", () =>
    open("", async (page) => {
      const network = page.getByRole("combobox", { name: "Network" });
      const file = page.getByLabel("Your own ONNX file");
      const bad = { name: "cat.onnx", mimeType: "application/octet-stream", buffer: Buffer.from("no network at all") };
      const said: string[] = [];
      await page.exposeFunction("heard", (text: string) => said.push(text));
      await page.evaluate(() => {
        const told = () => {
          for (const { textContent } of document.querySelectorAll("[role=alert]"))
            Reflect.get(window, "heard")(textContent);
        };
        new MutationObserver(told).observe(document.body, { childList: true, subtree: true });
      });
      await page.waitForSelector(".cards");
      // The answer of the first is still being computed when its network is gone.
      const gone = page.evaluate(
        () =>
          new Promise<void>((resolve) => {
            const observer = new MutationObserver(() => {
              if (!document.body.textContent.includes("Quantizing")) return;
              observer.disconnect();
              const given = new DataTransfer();
              given.items.add(new File(["no network at all"], "cat.onnx"));
              const input = document.querySelector<HTMLInputElement>("input[type=file]")!;
              input.files = given.files;
              input.dispatchEvent(new Event("change"));
              resolve();
            });
            observer.observe(document.body, { childList: true, subtree: true, characterData: true });
          }),
      );
      await network.selectOption("fmnist_vit");
      await gone;
      await page.waitForSelector("[role=alert]");
      await network.selectOption("fmnist_vit");
      await page.waitForSelector(".cards");
      expect(said.length).toBeGreaterThan(0);
      for (const text of said) expect(text).toMatch(/ONNX|protobuf/i);
      // One that opens when it has been left for another.
      await file.setInputFiles(bad);
      await network.selectOption("fmnist_resnet");
      await network.selectOption("fmnist_mobilenet");
      await page.waitForSelector(".cards");
      expect(await page.locator("[role=alert]").count()).toBe(0);
      expect(await network.inputValue()).toBe("fmnist_mobilenet");
      expect(page.url()).toContain("sample=fmnist_mobilenet");
    }));

  it("gives every format its reason, by keyboard too", () =>
    open("?view=formats&activation=relu&p=3&s=4", async (page) => {
      await page.waitForSelector("h2");
      expect(await page.locator("h2").textContent()).toBe("relu, p = 3, s = 4: universal, weights ±1 suffice");
      const map = page.locator("canvas.map");
      await map.press("ArrowDown");
      await map.press("ArrowDown");
      await expect.poll(() => page.url()).toContain("p=1");
      await page.waitForSelector("h2:has-text('p = 1'):has-text('not universal')");
    }));

  it("tells the regime of a network as its bits change", () =>
    open("?view=regimes&width=64&depth=4&a=1&b=3", async (page) => {
      await page.waitForSelector("h2:has-text('starved of bits')");
      await page.getByRole("slider", { name: "Bits after the point" }).fill("32");
      await page.waitForSelector("h2:has-text('every bit counts')");
      expect(await page.locator("svg.chart path").count()).toBe(4);
    }));

  it("finds the bits from which keys stay apart", () =>
    open("?view=attention&keys=200&width=8&clusters=8", async (page) => {
      await page.waitForSelector("h2:has-text('no two different keys become equal')");
      expect(await page.locator("tbody tr").count()).toBe(11);
    }));

  it("works on after the network is gone", () =>
    open("", async (page) => {
      await page.waitForSelector(".cards");
      await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
      await page.context().setOffline(true);
      await page.goto(`${site.url}?view=run&sample=fmnist_mobilenet&preset=fast`);
      await page.waitForSelector(".cards");
    }));

  it.each([
    ["narrow", { viewport: { width: 360, height: 740 } }],
    ["dark", { colorScheme: "dark" }],
  ] as const)("fits a %s screen", (kind, options) =>
    open(
      "",
      async (page) => {
        await page.waitForSelector(".cards");
        const { wide, paper } = await page.evaluate(() => ({
          wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
          paper: getComputedStyle(document.body).backgroundColor,
        }));
        expect(wide).toBe(false);
        expect(paper).toBe(kind === "dark" ? "rgb(13, 17, 23)" : "rgb(255, 255, 255)");
      },
      options,
    ),
  );
});

it.skipIf(browsers["firefox"] === undefined)("the page in Firefox (skipped where none is installed)", async () => {
  // A page beside it looks into it and reports: Firefox is not driven.
  writeFileSync(
    join(OUT, "smoke.html"),
    '<!doctype html><script type="module" src="smoke.js"></script><iframe src="./"></iframe>',
  );
  writeFileSync(
    join(OUT, "smoke.js"),
    `const seen = () => document.querySelector("iframe").contentDocument?.querySelectorAll(".card b") ?? [];
     while (seen().length < 4) await new Promise((resolve) => setTimeout(resolve, 100));
     await fetch("/report/smoke", { method: "POST", body: [...seen()].map((card) => card.textContent).join("|") });`,
  );
  const served = await serve(OUT);
  try {
    const text = await visit(["firefox", browsers["firefox"]!], `${served.origin}/smoke.html`, served.report("smoke"));
    expect(text).toMatch(/^[\d.]+ kB\|[\d.]+\|[\d.]+ ms\|\d$/);
  } finally {
    served.close();
  }
});
