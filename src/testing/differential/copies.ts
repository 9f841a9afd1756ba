/**
 * Tables that are copies of views and follow them, as Perspective's clients
 * make them of `client.table(view)`. For tests only.
 *
 * @module
 */

import { Kind } from "../../protocol/kinds.ts";
import type { Parts } from "../frames.ts";
import { type Ask, bytesOf, valueIn, viewport } from "./asks.ts";
import { dataField } from "./data.ts";
import type { Client, Subscription } from "./model.ts";
import { subscribe } from "./subscription_asks.ts";
import { tableOf } from "./table_asks.ts";
import { MOST_TABLES, type World } from "./world.ts";

/** `client.table(view)`, as Perspective's clients do it. */
export function copyView(world: World, client: Client): Ask | undefined {
  const random = world.random;
  const there = world.tables.filter((it) => it.state !== "gone");
  const view = world.pickView(client, ({ table }) => table.type !== "join");
  if (view === undefined || there.length >= MOST_TABLES) return undefined;
  const isFlat = view.pivots === 0 && !view.isSplit;
  const name = world.freeName("c");
  const hasKey = isFlat && view.columns.some((it) => it.name === "k") &&
    view.table.type === "indexed";
  const type = hasKey && random.chance(0.7) ? "indexed" : "plain";
  const columns = isFlat ? view.columns : [];
  const follow = (make: () => Ask | undefined) =>
    world.following.push({ client, make });
  const forward = (kind: number) =>
    follow(() => {
      const target = world.tables.find((it) => it.name === name);
      return target && client.views.get(view.id) === view
        ? subscribe(world, client, kind, view.id, {
          view,
          content: (w) => kind === Kind.VIEW_ON_UPDATE && w.tag(1, 0).int32(0),
          text: `forwarded to ${name}`,
          target,
        })
        : undefined;
    });
  return {
    kind: Kind.VIEW_TO_ARROW,
    entity: view.id,
    content: viewport(),
    text: `for ${name}`,
    after: (answer) => {
      const bytes = bytesOf(answer);
      if (bytes === undefined) return;
      follow(() =>
        world.freeName("c") === name
          ? tableOf(world, {
            name,
            type,
            columns,
            nulls: true,
            data: { form: "arrow", value: bytes },
            form: "arrow",
          })
          : undefined
      );
      if (!isFlat) return;
      forward(Kind.VIEW_ON_UPDATE);
      if (world.line === "5" && type === "indexed") {
        forward(Kind.VIEW_ON_REMOVE);
      }
    },
  };
}

/** A push has come: the delta of a view that is copied goes to its copy. */
export function forwardPush(
  world: World,
  client: Client,
  subscription: Subscription,
  push: Parts,
): void {
  const { target } = subscription;
  if (target === undefined) return;
  const delta = valueIn(push.content, 1);
  if (!(delta instanceof Uint8Array) || delta.length === 0) return;
  const bytes = delta.slice();
  const isRemoval = subscription.kind === Kind.VIEW_ON_REMOVE;
  world.following.push({
    client,
    make: () => ({
      kind: isRemoval ? Kind.TABLE_REMOVE : Kind.TABLE_UPDATE,
      entity: target.name,
      content: dataField({ form: "arrow", value: bytes }),
      text: `the delta of subscription ${subscription.msgId}`,
    }),
  });
}
