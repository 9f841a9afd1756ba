import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { rowNamed } from "./rows.mjs";
import type { Request, Scene, SceneRow } from "./types.ts";
import { echoScene, NO_FRAME, perspectiveTerms } from "./terms.mjs";
import { Kind, msgIdOf, readAnswer, request } from "./wire.mjs";

/** A scene of one viewer. */
function scene(name: string): Scene {
  return (rowNamed(name) as SceneRow).scene("test");
}

/** What the end of a request tells the echo: which answer, which push. */
function told({ frame }: Request): [answer: number, push: number] {
  const tail = new DataView(
    frame.buffer,
    frame.byteOffset + frame.length - 14,
  );
  return [tail.getUint32(0), tail.getUint32(4)];
}

/** A frame with the `msg_id` of what it answers, as the echo sends it. */
function sent(frame: Uint8Array, { frame: asked }: Request): Uint8Array {
  const copy = frame.slice();
  copy.set(asked.subarray(0, 6));
  return copy;
}

/** An answer of a server to somebody else. */
function answer(kind: number, body: readonly number[] = []): Uint8Array {
  return request(0x9999_9999, "else", kind, (writer) =>
    writer.raw(
      new Uint8Array(body),
    )).frame;
}

/** The dimensions of a view of 54 rows of 9,994. */
const dimensions = answer(Kind.dimensions, [8, 0x8a, 0x4e, 24, 54]);

/** A round: the writer's answer, the push, and a viewer's five answers. */
const frames = [
  answer(Kind.updateTable),
  answer(Kind.onUpdate),
  dimensions,
  dimensions,
  answer(Kind.viewSchema),
  dimensions,
  answer(Kind.columnsString),
];

Deno.test("the echo is asked for the frames of a round, with requests as long as ever", () => {
  const real = scene("viewer_1");
  const { scene: like, taught } = echoScene(real, frames);
  assertEquals(taught, frames);
  assertEquals(told(like.updates[0]!), [0, 1]);
  const asked = like.viewers[0]!.repaints[1]!.flat();
  assertEquals(
    asked.map(told),
    [2, 3, 4, 5, 6].map((index) => [index, NO_FRAME]),
  );
  const originals = real.viewers[0]!.repaints[1]!.flat();
  assertEquals(
    asked.map(({ frame }) => frame.length),
    originals.map(({ frame }) => frame.length),
  );
  // The answer begins like the request, and the push like the subscription.
  assertEquals(msgIdOf(asked[0]!.frame), originals[0]!.msgId);
  const { frame } = like.updates[0]!;
  const subscription = real.viewers[0]!.open.flat()
    .find(({ subscribes }) => subscribes);
  assertEquals(msgIdOf(frame.subarray(-6)), subscription!.msgId);
  const [subscribe] = like.viewers[0]!.open[0]!;
  assertEquals(told(subscribe!), [NO_FRAME, NO_FRAME]);
});

Deno.test("the echo's answers are looked at like those of any server", () => {
  const real = scene("viewer_1");
  const { scene: like, terms } = echoScene(real, frames);
  const [, , asked, , window] = like.viewers[0]!.repaints[0]!.flat();
  const said = (frame: Uint8Array) => terms.judge(asked!, sent(frame, asked!));
  assertEquals(said(frames[4]!), undefined);
  assertMatch(said(frames[3]!)!, /of kind 12, asked .* of kind 15$/);
  assertMatch(terms.glance(asked!, frames[4]!)!, /^answer to 2576980377 of/);
  // It has no columns.
  assertThrows(() => terms.judge(window!, sent(frames[6]!, window!)));
  assertEquals(terms.glance(window!, sent(frames[6]!, window!)), undefined);
  assertEquals(terms.judgePush(frames[1]!), undefined);
  assertEquals(terms.judgePush(frames[0]!), "of kind 33");
  assertEquals(terms.common(dimensions), readAnswer(dimensions).body);
  assertEquals([terms.changes, perspectiveTerms(real).changes], [false, true]);
});

Deno.test("the echo's frames must be those of a round", () => {
  assertThrows(
    () => echoScene(scene("viewer_1"), frames.slice(1)),
    TypeError,
    "A round has 7 frames, not 6",
  );
});

Deno.test("without frames the echo answers as much as it is asked", () => {
  const { scene: like, terms, taught } = echoScene(
    scene("dashboard_1"),
    "request",
  );
  const lengths = (request: Request) =>
    told(request).map((index) => taught[index]?.length);
  const [subscribe, asked] = like.viewers[0]!.open[0]!;
  for (const update of like.updates) {
    assertEquals(
      lengths(update),
      [update.frame.length, subscribe!.frame.length],
    );
  }
  assertEquals(lengths(asked!), [asked!.frame.length, undefined]);
  const { length } = asked!.frame;
  assertEquals(terms.judge(asked!, new Uint8Array(length)), undefined);
  assertEquals(terms.glance(asked!, new Uint8Array(9)), "9 bytes");
  const pushed = new Uint8Array(subscribe!.frame.length);
  assertEquals(terms.judgePush(pushed), undefined);
  assertEquals(terms.judgePush(new Uint8Array(9)), "9 bytes");
  assertEquals(terms.common(pushed), null);
});

Deno.test("a push must be one, with rows if they are asked for", () => {
  const push = (...body: number[]) =>
    request(7, "view", Kind.onUpdate, (writer) =>
      writer.raw(
        new Uint8Array(body),
      )).frame;
  const withRows = perspectiveTerms(scene("dashboard_1"));
  const without = perspectiveTerms(scene("viewer_1"));
  assertEquals(withRows.judgePush(push(10, 1, 65)), undefined);
  assertEquals(withRows.judgePush(push()), "no rows");
  assertEquals(without.judgePush(push()), undefined);
  assertMatch(without.judgePush(push(10, 1, 65))!, /nobody asked for/);
  const error = request(7, "view", 50).frame;
  assertEquals(without.judgePush(error), "of kind 50");
});

Deno.test("common() leaves out what differs between clients", () => {
  const { common } = perspectiveTerms(scene("viewer_1"));
  const answers = ["one", "two"]
    .map((view) => request(view.length, view, Kind.columnsString).frame);
  const [one, two] = answers.map((frame) => common(frame));
  assertEquals(one, two);
  assertEquals(one, readAnswer(answers[0]!).body);
});
