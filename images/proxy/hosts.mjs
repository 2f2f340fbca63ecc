// Where every student's server has a host name of its own, the hub's pages are on the hub's alone. On a student's, that
// student's scripts could read what somebody types into the sign-in page, and use the cookie that comes of it.

// Takes the hub's origin (empty where all share one) and its base path; gives a function that says where a request for one of
// the hub's pages on another host belongs.
export function straying(origin, base) {
  if (!origin) return () => undefined;
  const { hostname } = new URL(origin);
  return ({ url, headers }) => {
    const asked = (headers.host ?? "").split(":")[0].toLowerCase();
    return asked !== hostname && `${url}/`.startsWith(`${base}hub/`) ? origin + url : undefined;
  };
}
