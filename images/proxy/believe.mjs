// Where a request came from, and whether by https: as a known server in front says it, otherwise as the connection shows it.
// Nobody else is believed: by these headers the hub counts wrong passwords and marks cookies.

import { BlockList, isIP } from "node:net";

const CLAIMS = /^(forwarded|x-forwarded-.+|x-real-ip|x-scheme)$/;

// Takes addresses and networks of servers in front; gives a function that leaves one true claim of each kind in a request.
export function believing(servers) {
  const list = new BlockList();
  for (const server of servers) {
    const [address, prefix = "32"] = server.split("/");
    list.addSubnet(address, Number(prefix));
  }
  const known = (address) => isIP(address) !== 0 && list.check(address, `ipv${isIP(address)}`);

  return ({ headers, socket }) => {
    const said = (name) => (headers[name] ?? "").split(",").map((word) => word.trim());
    let client = socket.remoteAddress ?? ""; // gone already, then nobody waits for the answer
    let scheme = "http";
    if (known(client)) {
      if (said("x-forwarded-proto").at(-1) === "https") scheme = "https";
      // Each server adds whom it saw to the end; what stands before the first stranger is the stranger's own word.
      for (const hop of said("x-forwarded-for").reverse()) {
        if (isIP(hop) === 0) break;
        client = hop;
        if (!known(hop)) break;
      }
    }
    for (const name of Object.keys(headers)) {
      if (CLAIMS.test(name)) delete headers[name];
    }
    headers["x-forwarded-for"] = client;
    headers["x-forwarded-proto"] = scheme;
  };
}
