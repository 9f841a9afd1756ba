/**
 * What the guards let through, executed by real engines.
 */

import { assert, assertEquals } from "@std/assert";
import { loadPackage } from "../engine/package.ts";
import type { ForeignServer } from "../engine/session_engine.ts";
import { forEachField } from "../protocol/fields.ts";
import { Kind, type Line } from "../protocol/kinds.ts";
import { BareEngine, schemaOf } from "../testing/bare_engine.ts";
import { ENGINES } from "../testing/engines.ts";
import { type Fill, message, parts } from "../testing/frames.ts";
import { forAll, type Random } from "../testing/random.ts";
import { checkCsv } from "./csv.ts";
import { checkColumns, checkKeys, checkRows } from "./json.ts";
import { checkNdjson } from "./ndjson.ts";
import { DEFAULT_PAYLOAD_LIMITS, type Refusal } from "./payload.ts";
import { anyColumns, anyCsv, anyNames, anyRows } from "../testing/payloads.ts";

const LIMITS = DEFAULT_PAYLOAD_LIMITS;
const LINES = ["3", "5"] as const;

type Form = "csv" | "rows" | "cols" | "ndjson";

/** The fields of `MakeTableData`. */
const FIELDS = { csv: 2, rows: 4, cols: 5, ndjson: 7 } as const;

const encoder = new TextEncoder();

function check(form: Form, bytes: Uint8Array): Refusal | undefined {
  switch (form) {
    case "csv":
      return checkCsv(bytes, LIMITS);
    case "rows":
      return checkRows(bytes, LIMITS);
    case "cols":
      return checkColumns(bytes, LIMITS);
    case "ndjson":
      return checkNdjson(bytes, LIMITS);
  }
}

/** A payload, mostly right. */
function anyPayload(random: Random): { form: Form; bytes: Uint8Array } {
  const names = random.chance(0.5)
    ? random.some(["k", "s", "f", "b", "d", "t"], random.between(1, 6))
    : anyNames(random);
  const form = random.pick(["csv", "rows", "cols", "ndjson"] as const);
  const isFlat = random.chance(0.5);
  const text = {
    csv: () => anyCsv(random, names),
    rows: () => `[${anyRows(random, names, isFlat).join()}]`,
    cols: () => anyColumns(random, names, random.between(1, 6)),
    ndjson: () => anyRows(random, names, isFlat).join("\n"),
  }[form]();
  const bytes = encoder.encode(text);
  for (let i = random.below(3); i > 0 && bytes.length > 0; i--) {
    bytes[random.below(bytes.length)] = random.pick([
      ...encoder.encode('[]{}",:1\n'),
    ]);
  }
  return { form, bytes };
}

for (const line of LINES) {
  Deno.test(`An engine of line ${line} outlives what the guards let through`, async () => {
    const engine = await BareEngine.start(line);
    engine.makeTable("witness", [{ a: 1, s: "é" }, { a: 2, s: null }]);
    engine.makeView("witness", "w");
    const before = engine.columns("w");
    const types = { k: 3, s: 0, f: 4, b: 5, d: 1, t: 2 };
    engine.makeTable("plain", schemaOf(types));
    engine.makeTable(
      "indexed",
      schemaOf(types),
      (it) => it.tag(1, 2).string("k"),
    );
    let passed = 0;
    let made = 0;
    await forAll(600, (random) => {
      const { form, bytes } = anyPayload(random);
      if (check(form, bytes) !== undefined) return;
      passed++;
      const data: Fill = (it) => it.tag(FIELDS[form], 2).bytes(bytes);
      if (random.chance(0.6)) {
        const table = random.pick(["plain", "indexed"]);
        mayFail(() =>
          engine.ask(
            table,
            Kind.TABLE_UPDATE,
            (it) => it.tag(1, 2).bytes(message(data)),
          )
        );
        return;
      }
      const name = `made${made++}`;
      if (mayFail(() => engine.makeTable(name, data))) read(engine, name);
    });
    assert(passed > 200, `${passed} passed`);
    for (const table of ["plain", "indexed"]) read(engine, table);
    assertEquals(engine.columns("w"), before);
    engine.close();
  });
}

/** Reads all of `table`, which throws if it isn't text. */
function read(engine: BareEngine, table: string): void {
  const view = `view of ${table}`;
  engine.makeView(table, view);
  engine.columns(view);
}

/** Whether `ask` succeeds; it may be answered with an error, but do no harm. */
function mayFail(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch (reason) {
    if ((reason as Error).constructor !== Error) throw reason;
    return false;
  }
}

for (const line of LINES) {
  Deno.test(`The guards let through what a client of line ${line} sends`, async () => {
    const { newServer, newClient } = await loadPackage(ENGINES[line]);
    const sent: Uint8Array[] = [];
    const server = newServer() as unknown as ForeignServer;
    const session = await server.make_session(async (frame) => {
      await client.handle_response(frame.slice());
    });
    const client = newClient(async (frame) => {
      sent.push(frame.slice());
      await session.handle_request(frame);
    }) as unknown as Client;
    await sendAll(client, line);
    let checked = 0;
    for (const frame of sent) {
      const { kind, content } = parts(frame);
      for (const { field, bytes } of payloads(kind, content)) {
        const form = FORMS[field];
        if (form === undefined) continue;
        const refusal = kind === Kind.TABLE_REMOVE
          ? checkKeys(bytes, LIMITS)
          : check(form, bytes);
        assertEquals(refusal, undefined, new TextDecoder().decode(bytes));
        checked++;
      }
    }
    assertEquals(checked, SENT);
    await session.close();
  });
}

const FORMS: Readonly<Record<number, Form>> = {
  2: "csv",
  4: "rows",
  5: "cols",
  7: "ndjson",
};

/** What is used of a client. */
interface Client {
  table(data: unknown, options?: Record<string, unknown>): Promise<Table>;
  handle_response(frame: Uint8Array): Promise<unknown>;
}

interface Table {
  update(data: unknown, options?: Record<string, unknown>): Promise<void>;
  replace(data: unknown): Promise<void>;
  remove(keys: unknown): Promise<void>;
  clear(): Promise<void>;
}

/** Payloads of text that {@linkcode sendAll} sends. */
const SENT = 17;

async function sendAll(client: Client, line: Line): Promise<void> {
  const row = {
    i: 1,
    f: -0.5e-9,
    s: 'é "😀"\n\u0007\u2028',
    b: true,
    n: null,
    d: new Date(1.7e12),
    x: NaN,
    u: undefined,
  };
  const name = (suffix: string) => ({ name: `${suffix} ${line}` });
  await client.table([row, { i: 2 }, { ...row, i: 3 }], name("rows"));
  await client.table({ i: [1, 2], s: ["a", null] }, name("cols"));
  await client.table("i,s\n1,a\n2,\n", name("csv"));
  await client.table('i,s\r\n1,"a ""b"", c"\r\n', name("csv of windows"));
  const csv = await client.table("i,s\n1,a", name("csv without an end"));
  await csv.update("i,s\n3,b\n");
  const ndjson = { format: "ndjson" };
  const lines = await client.table('{"i":1}\n{"i":2}', {
    ...ndjson,
    ...name("nd"),
  });
  await lines.update('{"i":3}', ndjson);
  await lines.update('{"i":3}\n{"i":4}\n', ndjson);
  const types = { k: "integer", s: "string", f: "float", d: "datetime" };
  const table = await client.table(types, { index: "k", ...name("schema") });
  await table.update([{ k: 1, s: "x", d: new Date() }, { k: 2, s: undefined }]);
  await table.update({ k: [1, 2], f: [NaN, 1] });
  await table.update([]);
  await table.update([{ __INDEX__: 1, s: "z" }]);
  await table.replace([{ k: 5, s: null }]);
  await table.replace({ k: [5] });
  await table.remove([5, 6]);
  await table.clear();
}

/** The data of a change; of a schema and of Arrow, too. */
function payloads(
  kind: number,
  content: Uint8Array,
): { field: number; bytes: Uint8Array }[] {
  const found: { field: number; bytes: Uint8Array }[] = [];
  const kinds: readonly number[] = [
    Kind.MAKE_TABLE,
    Kind.TABLE_UPDATE,
    Kind.TABLE_REPLACE,
    Kind.TABLE_REMOVE,
  ];
  if (!kinds.includes(kind)) return found;
  forEachField(content, (field, reader, wireType) => {
    if (field !== 1) return void reader.skip(wireType);
    forEachField(reader.bytes(), (field, inner) => {
      found.push({ field, bytes: inner.bytes() });
    });
  });
  return found;
}
