// Starts configurable-http-proxy, then has the hub send it the routes again: CHP keeps them in memory only, so after a
// restart of the proxy alone every student would be shut out until the hub's next own check, minutes later.
//
//   TT_BASE_PATH           where the hub lives (default /)
//   TT_ORIGIN              the hub's scheme, host and port, where students' servers have hosts of their own (default: not so)
//   TT_HUB_URL             the hub behind this proxy (default http://hub:8081)
//   TT_ROUTES_TOKEN        may call POST hub/api/proxy, and nothing else
//   CONFIGPROXY_AUTH_TOKEN guards CHP's API (8001)
//   TT_EDGE_IP, TT_TRUSTED_PROXIES
//                          servers in front whose word on a browser's address and https is believed, with spaces between

import { ConfigurableProxy } from "configurable-http-proxy";
import { defaultLogger } from "configurable-http-proxy/lib/log.js";

import { believing } from "./believe.mjs";
import { straying } from "./hosts.mjs";

const base = process.env.TT_BASE_PATH || "/";
const origin = process.env.TT_ORIGIN || "";
const hub = process.env.TT_HUB_URL || "http://hub:8081";
const token = process.env.TT_ROUTES_TOKEN;
const inFront = `${process.env.TT_EDGE_IP ?? ""} ${process.env.TT_TRUSTED_PROXIES ?? ""}`;

for (const name of ["CONFIGPROXY_AUTH_TOKEN", "TT_ROUTES_TOKEN"]) {
  if (!process.env[name]) {
    console.error(`proxy: ${name} is not set. It is one of the classroom's secrets; start the proxy with compose.`);
    process.exit(1);
  }
}

const log = defaultLogger({ level: "warn" }); // a line for each route added and removed is no news
const proxy = new ConfigurableProxy({
  log,
  authToken: process.env.CONFIGPROXY_AUTH_TOKEN,
  defaultTarget: hub, // so that sign-in works before the hub has sent a route
  hostRouting: Boolean(origin),
  errorPath: "/opt/proxy/errors", // of our own: the hub's error page is gone when the hub is
  enableMetrics: true,
});

// For answers that do not say otherwise: the hub's and the marks' pages say more.
const HEADERS = {
  "Content-Security-Policy": "frame-ancestors 'self'",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "Referrer-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};
const believe = believing(inFront.split(" ").filter(Boolean));
const strays = straying(origin, base);
const [serve] = proxy.proxyServer.listeners("request");
proxy.proxyServer.off("request", serve);
proxy.proxyServer.prependListener("upgrade", believe);
proxy.proxyServer.on("request", (request, response) => {
  believe(request);
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  const there = strays(request);
  if (there) response.writeHead(307, { Location: there }).end();
  else serve(request, response);
});
proxy.proxy.on("proxyRes", (answer, request, response) => {
  // What ends in the middle behind the proxy ends before it as well: http-proxy-3 leaves the browser waiting for the rest.
  answer.on("close", () => answer.complete || response.destroy());
  // Not every part marks every cookie by itself, and whether it came by https is known here.
  const cookies = answer.headers["set-cookie"];
  if (cookies && request.headers["x-forwarded-proto"] === "https") {
    answer.headers["set-cookie"] = cookies.map((each) => (/;\s*secure\b/i.test(each) ? each : `${each}; Secure`));
  }
});
proxy.proxyServer.requestTimeout = 3_600_000; // node's five minutes would cut off a large upload over a slow line

proxy.proxyServer.listen(8000, "0.0.0.0");
proxy.apiServer.listen(8001, "0.0.0.0");
proxy.metricsServer.listen(8002, "0.0.0.0");
process.on("SIGTERM", () => process.exit(0));
process.on("uncaughtException", (error) => log.error(`Uncaught: ${error.stack ?? error}`)); // one request's, not everybody's
console.log(`proxy: open on port 8000, in front of ${hub}${base}`);

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function restoreRoutes() {
  let said = "";
  for (let wait = 0.5; ; wait = Math.min(wait * 1.5, 3)) {
    let reason;
    try {
      const answer = await fetch(`${hub}${base}hub/api/proxy`, {
        method: "POST",
        headers: { Authorization: `token ${token}` },
        signal: AbortSignal.timeout(60_000),
      });
      await answer.arrayBuffer();
      if (answer.ok) {
        console.log("proxy: the hub has sent its routes");
        return;
      }
      reason = `the hub answered ${answer.status}`;
      if (answer.status === 401 || answer.status === 403) {
        reason += "; does it know TT_ROUTES_TOKEN?";
      }
    } catch (error) {
      reason = error.cause?.code || error.message; // the hub is still starting
    }
    if (reason !== said) {
      console.log(`proxy: no routes from the hub yet (${reason}); trying on`);
      said = reason;
    }
    await pause(wait);
  }
}

await restoreRoutes();
