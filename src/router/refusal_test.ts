import { assertEquals } from "@std/assert";
import { DEFAULT_VIEW_LIMITS } from "../guards/view_config.ts";
import { Access } from "../policy/access.ts";
import { Kind } from "../protocol/kinds.ts";
import { frame, makeView } from "../testing/frames.ts";
import { rows, timedRouting } from "../testing/routing.ts";

Deno.test("Router.stats() counts what was refused by the reason", () => {
  const { router } = timedRouting(2, {
    maxInFlight: 3,
    maxViews: 1,
    maxSubscriptions: 0,
    inspector: { views: DEFAULT_VIEW_LIMITS, data: () => "too much" },
  });
  const frames: Uint8Array[] = [];
  const rules = { see: true, read: ["t"], update: ["t"] } as const;
  const access = new Access(rules);
  const session = router.openSession({
    send: (frame) => void frames.push(frame),
    access,
  });
  const refused = (kind: number, table = "t", content = makeView("v")) => {
    const { refusals } = router.stats();
    session.handleRequest(frame(1, table, kind, content));
    const after = router.stats().refusals;
    return Object.entries(after).filter(([reason, count]) =>
      count > refusals[reason as keyof typeof refusals]
    ).map(([reason]) => reason);
  };
  assertEquals(refused(99), ["invalid"]);
  assertEquals(refused(Kind.TABLE_SIZE, "u"), ["access"]);
  assertEquals(refused(Kind.TABLE_UPDATE, "t", rows("a")), ["guards"]);
  access.update({ ...rules, trusted: true });
  assertEquals(refused(Kind.TABLE_MAKE_VIEW), []);
  assertEquals(refused(Kind.TABLE_MAKE_VIEW, "t", makeView("w")), ["limits"]);
  for (let i = 0; i < 2; i++) assertEquals(refused(Kind.TABLE_SIZE), []);
  assertEquals(refused(Kind.TABLE_SIZE), ["limits"]);
  assertEquals(router.stats().refused, frames.length);
});
