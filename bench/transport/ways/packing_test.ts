import { assertEquals } from "@std/assert";
import { Reframed, utf8 } from "../../../src/protocol/frame.ts";
import { frame } from "../../../src/testing/frames.ts";
import { forAll } from "../../../src/testing/random.ts";
import {
  AnswerPacker,
  Entry,
  ONLY_POLL,
  packRequests,
  unpackAnswers,
  unpackRequests,
} from "./packing.ts";

Deno.test("packRequests() and unpackRequests() are each other's inverse", async () => {
  await forAll(200, (random) => {
    const sent: [number, string, boolean][] = [];
    const requests = Array.from({ length: random.below(21) }, () => {
      if (random.chance(0.2)) {
        sent.push([ONLY_POLL, "", true]);
        return undefined;
      }
      const kind = 3 + random.below(38);
      const poll = random.chance(0.5);
      const source = random.bytes(random.below(301));
      // A frame of its own: a part that is read as one has to be one.
      const body = frame(0, "", kind, source);
      const plain = new Reframed(random.id(), utf8("t"), body);
      const packed = random.chance(0.3) ? plain.share() : plain;
      sent.push([kind, packed.toBytes().join(), poll]);
      return { frame: packed, kind, poll };
    });
    const got: typeof sent = [];
    unpackRequests(packRequests(requests), (request, kind, poll) => {
      got.push([kind, request.toBytes().join(), poll]);
    });
    assertEquals(got, sent);
  });
});

Deno.test("AnswerPacker and unpackAnswers() are each other's inverse", async () => {
  await forAll(200, (random) => {
    const packer = new AnswerPacker();
    const sent: unknown[] = [];
    const got: unknown[] = [];
    const messages = 1 + random.below(3);
    for (let message = 0; message < messages; message++) {
      for (let i = random.below(31); i > 0; i--) {
        const id = random.id();
        switch (random.below(5)) {
          case Entry.FRAME: {
            const bytes = random.bytes(random.below(3001));
            packer.frame(bytes);
            sent.push(["frame", bytes.join()]);
            break;
          }
          case Entry.FAILED:
            packer.failed(id, `why ${id} ü`);
            sent.push(["failed", id, `why ${id} ü`]);
            break;
          case Entry.FAULT:
            packer.event(Entry.FAULT, "fault");
            sent.push(["fault", "fault"]);
            break;
          case Entry.FATAL:
            packer.event(Entry.FATAL, "fatal");
            sent.push(["fatal", "fatal"]);
            break;
          default:
            packer.executed(id);
            sent.push(["executed", id]);
        }
      }
      unpackAnswers(packer.take(), {
        frame: (frame) => got.push(["frame", frame.join()]),
        failed: (id, { message }) => got.push(["failed", id, message]),
        fault: ({ message }) => got.push(["fault", message]),
        fatal: ({ message }) => got.push(["fatal", message]),
        executed: (micros) => got.push(["executed", micros]),
      });
      assertEquals(packer.length, 0);
    }
    assertEquals(got, sent);
  });
});
