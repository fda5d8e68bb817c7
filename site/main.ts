import { attentionView } from "./explore/attention.ts";
import { formatsView } from "./explore/formats.ts";
import { regimesView } from "./explore/regimes.ts";
import { choice, type Link, readLink } from "./link.ts";
import { runView } from "./run/view.ts";

const VIEWS: Readonly<Record<string, (panel: HTMLElement, link: Link) => Promise<void>>> = {
  run: runView,
  formats: formatsView,
  regimes: regimesView,
  attention: attentionView,
};

const panel = document.getElementById("panel")!;
const links = [...document.querySelectorAll<HTMLAnchorElement>("a[data-view]")];

async function show(): Promise<void> {
  const link = readLink();
  const view = choice(link, "view", Object.keys(VIEWS));
  for (const anchor of links) {
    if (anchor.dataset["view"] === view) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  panel.dataset["view"] = view;
  try {
    await VIEWS[view]!(panel, link);
  } catch (error) {
    panel.textContent = (error as Error).message;
  }
}

for (const anchor of links) {
  anchor.addEventListener("click", (event) => {
    event.preventDefault();
    history.pushState(null, "", anchor.href);
    void show();
  });
}
addEventListener("popstate", () => void show());
void show();
// Offline after the first visit; a page from a file has no service worker.
if ("serviceWorker" in navigator && location.protocol.startsWith("http"))
  void navigator.serviceWorker.register("offline.js");
