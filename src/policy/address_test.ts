import { assertEquals } from "@std/assert";
import { addressGroup, clientAddress, type TrustProxy } from "./address.ts";

function addressOf(forwarded: string | undefined, trustProxy: TrustProxy) {
  const headers = forwarded === undefined
    ? undefined
    : { "x-forwarded-for": forwarded };
  const request = new Request("http://h/", headers && { headers });
  return clientAddress(request, "10.0.0.1", trustProxy);
}

Deno.test("clientAddress() is the socket's peer where no proxy is trusted", () => {
  assertEquals(addressOf("1.2.3.4", false), "10.0.0.1");
  assertEquals(addressOf("1.2.3.4", 0), "10.0.0.1");
  assertEquals(
    clientAddress(new Request("http://h/"), undefined, false),
    undefined,
  );
});

Deno.test("clientAddress() counts trusted proxies from the right", () => {
  const cases: [string | undefined, number, string][] = [
    ["1.2.3.4", 1, "1.2.3.4"],
    // What the client itself wrote stands on the left.
    ["6.6.6.6, 1.2.3.4", 1, "1.2.3.4"],
    ["6.6.6.6, 1.2.3.4, 10.0.0.2", 2, "1.2.3.4"],
    ["6.6.6.6,1.2.3.4,10.0.0.2", 2, "1.2.3.4"],
    ["::1", 1, "::1"],
    // Some proxies write the port.
    ["1.2.3.4:5678", 1, "1.2.3.4"],
    ["[2001:db8::1]:443", 1, "2001:db8::1"],
    ["[2001:db8::1]", 1, "2001:db8::1"],
    // It hasn't come by these proxies.
    [undefined, 1, "10.0.0.1"],
    ["1.2.3.4", 2, "10.0.0.1"],
    ["", 1, "10.0.0.1"],
    ["1.2.3.4, ", 1, "10.0.0.1"],
    ["unknown", 1, "10.0.0.1"],
    ["1.2.3.400", 1, "10.0.0.1"],
    ["1.2.3", 1, "10.0.0.1"],
    ["1.2.3.4.example", 1, "10.0.0.1"],
    ["12345::1", 1, "10.0.0.1"],
  ];
  for (const [forwarded, proxies, expected] of cases) {
    assertEquals(
      addressOf(forwarded, proxies),
      expected,
      `${forwarded} with ${proxies}`,
    );
  }
});

Deno.test("clientAddress() asks a function", () => {
  const trust: TrustProxy = (request, { remoteAddress }) =>
    `${request.headers.get("x-forwarded-for")} by ${remoteAddress}`;
  assertEquals(addressOf("1.2.3.4", trust), "1.2.3.4 by 10.0.0.1");
  assertEquals(addressOf("1.2.3.4", () => undefined), undefined);
});

Deno.test("addressGroup() takes a /64 of IPv6 for one", () => {
  const cases: [string, string][] = [
    ["1.2.3.4", "1.2.3.4"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::ffff", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::ffff:102:304", "1.2.3.4"],
    // Not of IP: what it is, but not of any length.
    ["/run/server.sock", "/run/server.sock"],
    ["user:7", "user:7"],
    [":::", ":::"],
    ["x".repeat(1000), "x".repeat(128)],
  ];
  for (const [address, group] of cases) {
    assertEquals(addressGroup(address), group, address);
  }
});
