import { assert, assertEquals, assertMatch } from "@std/assert";
import { brings, newToken } from "./token.ts";

Deno.test("brings() finds the token in the URL or as a bearer token", () => {
  const brought = (path: string, headers: HeadersInit = {}) =>
    brings(new Request(`http://localhost${path}`, { headers }), "s3cret");
  assert(brought("/?token=s3cret"));
  assert(brought("/", { authorization: "Bearer s3cret" }));
  assert(brought("/", { "sec-websocket-protocol": "bearer, s3cret" }));
  assertEquals(brought("/"), false);
  assertEquals(brought("/?token="), false);
  assertEquals(brought("/?token=s3cre"), false);
  assertEquals(brought("/?token=s3cret", { authorization: "Bearer x" }), false);
});

Deno.test("newToken() makes one that may stand in a URL, and never twice", () => {
  assertMatch(newToken(), /^[\w-]{32}$/);
  assert(newToken() !== newToken());
});
