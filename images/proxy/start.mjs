// Starts configurable-http-proxy, then has the hub send it the routes again: CHP keeps them in memory only, so after a
// restart of the proxy alone every student would be shut out until the hub's next own check, minutes later.
//
//   TT_BASE_PATH           where the hub lives (default /)
//   TT_HUB_URL             the hub behind this proxy (default http://hub:8081)
//   TT_ROUTES_TOKEN        may call POST hub/api/proxy, and nothing else
//   CONFIGPROXY_AUTH_TOKEN read by CHP itself: guards its API (8001)

const base = process.env.TT_BASE_PATH || "/";
const hub = process.env.TT_HUB_URL || "http://hub:8081";
const token = process.env.TT_ROUTES_TOKEN;

for (const name of ["CONFIGPROXY_AUTH_TOKEN", "TT_ROUTES_TOKEN"]) {
  if (!process.env[name]) {
    console.error(`proxy: ${name} is not set. It is one of the classroom's secrets; start the proxy with compose.`);
    process.exit(1);
  }
}

process.argv.push(
  "--ip=0.0.0.0",
  "--port=8000",
  "--api-ip=0.0.0.0",
  "--api-port=8001",
  "--metrics-ip=0.0.0.0",
  "--metrics-port=8002",
  `--default-target=${hub}`, // so that sign-in works before the hub has sent a route
  "--error-path=/opt/proxy/errors", // of our own: the hub's error page is gone when the hub is
  "--log-level=warn", // a line for each route added and removed is no news
);

// In this very process, so that the container's signals reach it directly. As PID 1 node would ignore SIGTERM.
process.on("SIGTERM", () => process.exit(0));
await import("./node_modules/configurable-http-proxy/bin/configurable-http-proxy");
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
