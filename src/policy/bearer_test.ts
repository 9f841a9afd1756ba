import { assertEquals } from "@std/assert";
import { bearerToken, offersBearer } from "./bearer.ts";

function request(headers: Record<string, string>): Request {
  return new Request("http://h/", { headers });
}

Deno.test("bearerToken() reads Authorization", () => {
  const cases: [string, string | undefined][] = [
    ["Bearer abc", "abc"],
    ["bearer a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="],
    ["BEARER  abc ", "abc"],
    ["Bearer", undefined],
    ["Bearer ", undefined],
    ["Bearer a b", undefined],
    ["Bearer a, Bearer b", undefined],
    ["Basic YTpi", undefined],
    ["xBearer abc", undefined],
  ];
  for (const [authorization, token] of cases) {
    assertEquals(bearerToken(request({ authorization })), token, authorization);
  }
  assertEquals(bearerToken(request({})), undefined);
});

Deno.test("bearerToken() reads sub-protocols", () => {
  const cases: [string, string | undefined, boolean][] = [
    ["bearer, abc", "abc", true],
    ["bearer,abc", "abc", true],
    ["perspective, bearer, abc, more", "abc", true],
    ["bearer", undefined, true],
    ["bearer,", undefined, true],
    // Sub-protocols are compared as they are written.
    ["Bearer, abc", undefined, false],
    ["perspective", undefined, false],
    ["", undefined, false],
  ];
  for (const [protocols, token, offers] of cases) {
    const it = request({ "sec-websocket-protocol": protocols });
    assertEquals(bearerToken(it), token, protocols);
    assertEquals(offersBearer(it), offers, protocols);
  }
  assertEquals(offersBearer(request({ authorization: "Bearer abc" })), false);
});

Deno.test("bearerToken() prefers Authorization", () => {
  const it = request({
    authorization: "Bearer one",
    "sec-websocket-protocol": "bearer, two",
  });
  assertEquals(bearerToken(it), "one");
});
