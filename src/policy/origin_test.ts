import { assert, assertEquals, assertRejects } from "@std/assert";
import { isOriginAllowed, isSameHost } from "./origin.ts";

function request(
  headers: Record<string, string>,
  url = "http://example.com/ws",
): Request {
  return new Request(url, { headers });
}

Deno.test("isOriginAllowed() lets programs in, which send no origin", async () => {
  const refuseAll = () => false;
  for (const checkOrigin of [true, false, refuseAll]) {
    assertEquals(await isOriginAllowed(request({}), checkOrigin), true);
  }
});

Deno.test("isOriginAllowed() takes true, false or a function", async () => {
  const other = request({ origin: "https://other.example" });
  const same = request({ origin: "http://example.com" });
  assertEquals(await isOriginAllowed(other, true), true);
  assertEquals(await isOriginAllowed(other, false), false);
  assertEquals(await isOriginAllowed(same, false), true);
  const asked: [string, Request][] = [];
  const check = (origin: string, request: Request) => {
    asked.push([origin, request]);
    return origin.endsWith("other.example");
  };
  assertEquals(await isOriginAllowed(other, check), true);
  assertEquals(await isOriginAllowed(same, check), false);
  assertEquals(asked, [
    ["https://other.example", other],
    ["http://example.com", same],
  ]);
  assertEquals(await isOriginAllowed(same, () => Promise.resolve(true)), true);
});

Deno.test("isOriginAllowed() leaves an error of the function to the caller", async () => {
  const same = request({ origin: "http://example.com" });
  const check = () => Promise.reject(new Error("no database"));
  await assertRejects(() => isOriginAllowed(same, check), Error, "no database");
});

Deno.test("isSameHost() compares host and port", () => {
  const cases: [origin: string, host: string, same: boolean][] = [
    ["http://example.com", "example.com", true],
    ["http://EXAMPLE.com", "Example.Com", true],
    ["https://example.com", "example.com", true],
    ["http://example.com:8000", "example.com:8000", true],
    ["http://example.com:8000", "example.com:8001", false],
    ["http://example.com", "example.com:8000", false],
    ["http://example.com:8000", "example.com", false],
    // The default port of a scheme may be written or not.
    ["http://example.com", "example.com:80", true],
    ["https://example.com", "example.com:443", true],
    ["https://example.com", "example.com:80", false],
    ["http://[::1]:8000", "[::1]:8000", true],
    ["http://127.0.0.1:8000", "127.0.0.1:8000", true],
    ["http://localhost:8000", "127.0.0.1:8000", false],
    ["http://sub.example.com", "example.com", false],
    ["http://example.com.evil.example", "example.com", false],
    ["http://evil.example/example.com", "example.com", false],
    ["http://example.com@evil.example", "example.com", false],
    // Pages without a host of their own.
    ["null", "example.com", false],
    ["", "example.com", false],
    ["file://", "localhost", false],
    ["about:blank", "localhost", false],
    ["data:text/html,", "localhost", false],
  ];
  for (const [origin, host, same] of cases) {
    assertEquals(
      isSameHost(origin, request({ host })),
      same,
      `${origin} on ${host}`,
    );
  }
});

Deno.test("isSameHost() takes the URL's host where there is no Host header", () => {
  // As in HTTP/2, and in requests that a program makes for a test.
  assert(isSameHost("http://example.com", request({})));
  assert(isSameHost("http://a:81", request({}, "http://a:81/ws")));
  assert(!isSameHost("http://a:82", request({}, "http://a:81/ws")));
});
