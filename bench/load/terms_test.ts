import { assertEquals, assertMatch } from "@std/assert";
import { rowNamed } from "./rows.mjs";
import type { Request, Scene, SceneRow } from "./types.ts";
import { echoScene, perspectiveTerms } from "./terms.mjs";
import { Kind, msgIdOf, readAnswer, request } from "./wire.mjs";

/** A scene of one viewer. */
function scene(name: string): Scene {
  return (rowNamed(name) as SceneRow).scene("test");
}

/** What the end of a request tells the echo: answer and push in bytes. */
function told({ frame }: Request): [answer: number, push: number] {
  const tail = new DataView(
    frame.buffer,
    frame.byteOffset + frame.length - 14,
  );
  return [tail.getUint32(0), tail.getUint32(4)];
}

/** Frames of these lengths, as the echo sends them. */
const lengths = [25, 32, 41, 42, 333, 43, 6_000];

Deno.test("the echo's frames are as long as the others'", () => {
  const real = scene("viewer_1");
  const { scene: like } = echoScene(real, lengths);
  assertEquals(told(like.updates[0]!), [25, 32]);
  const asked = like.viewers[0]!.repaints[1]!.flat();
  assertEquals(asked.map((request) => told(request)[0]), lengths.slice(2));
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
});

Deno.test("the echo's answers must have their length", () => {
  const { scene: like, terms } = echoScene(scene("viewer_1"), lengths);
  const asked = like.viewers[0]!.repaints[0]!.flat()[2]!;
  assertEquals(terms.judge(asked, new Uint8Array(333)), undefined);
  assertEquals(terms.judge(asked, new Uint8Array(9)), "9 bytes");
  assertEquals(terms.judgePush(new Uint8Array(32)), undefined);
  assertEquals(terms.judgePush(new Uint8Array(33)), "33 bytes");
  assertEquals(terms.common(new Uint8Array(32)), null);
});

Deno.test("without lengths the echo answers as much as it is asked", () => {
  const { scene: like } = echoScene(scene("dashboard_1"), "request");
  const [update] = like.updates;
  assertEquals(told(update!)[0], update!.frame.length);
  const asked = like.viewers[0]!.repaints[0]!.flat()[0]!;
  assertEquals(told(asked)[0], asked.frame.length);
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
