import { assert, assertEquals, assertThrows } from "@std/assert";
import { Access, fullAccess, readOnly, type TableAction } from "./access.ts";

const ACTIONS: readonly TableAction[] = [
  "see",
  "read",
  "update",
  "create",
  "delete",
];

function allowed(access: Access, table: string): TableAction[] {
  return ACTIONS.filter((action) => access.may(action, table));
}

Deno.test("fullAccess() allows everything", () => {
  const access = fullAccess();
  assertEquals(allowed(access, "t"), [...ACTIONS]);
  assert(access.expressions);
  assert(!access.trusted);
  assert(fullAccess({ trusted: true }).trusted);
});

Deno.test("readOnly() allows to see and read", () => {
  assertEquals(allowed(readOnly(), "t"), ["see", "read"]);
  const one = readOnly({ tables: ["t"], expressions: false });
  assertEquals(allowed(one, "t"), ["see", "read"]);
  assertEquals(allowed(one, "u"), []);
  assert(!one.expressions);
});

Deno.test("Access.may() allows nothing on what isn't seen", () => {
  const access = new Access({
    see: (table) => table.startsWith("a"),
    update: true,
    create: ["ab", "b"],
    delete: true,
  });
  assertEquals(allowed(access, "a"), ["see", "read", "update", "delete"]);
  assertEquals(allowed(access, "ab"), [...ACTIONS]);
  assertEquals(allowed(access, "b"), []);
});

Deno.test("Access.update() takes effect at once, and tells", () => {
  const access = readOnly();
  let told = 0;
  const end = access.onUpdate(() => told++);
  access.update(fullAccess());
  assertEquals(allowed(access, "t"), [...ACTIONS]);
  access.update({ see: false });
  assertEquals(allowed(access, "t"), []);
  assertEquals(told, 2);
  end();
  access.update({});
  assertEquals(told, 2);
});

Deno.test("Access says what is wrong with a rule, and stays as it was", () => {
  const access = readOnly();
  const wrong = (rules: Record<string, unknown>) =>
    assertThrows(() => access.update(rules), TypeError).message;
  assertEquals(
    wrong({ see: "t" }),
    'Cannot create access: "see" must be a boolean, a list of names or a ' +
      "function, received string",
  );
  assertEquals(
    wrong({ read: [1] }),
    'Cannot create access: "read" must be a boolean, a list of names or a ' +
      "function, received another list",
  );
  assertEquals(
    wrong({ trusted: () => true }),
    'Cannot create access: "trusted" must be a boolean, received function',
  );
  assertEquals(
    wrong({ write: true }),
    'Cannot create access: there is no rule "write", rules are see, read, ' +
      "update, create, delete, expressions, trusted",
  );
  assertEquals(allowed(access, "t"), ["see", "read"]);
});

Deno.test("Access.allowsAll says whether there is nothing that isn't allowed", () => {
  assert(fullAccess().allowsAll);
  assert(fullAccess({ trusted: true }).allowsAll);
  const access = readOnly();
  assert(!access.allowsAll);
  access.update(fullAccess());
  assert(access.allowsAll);
  for (const rule of ["see", "read", "update", "create", "delete"] as const) {
    access.update({ ...fullAccess().rules, [rule]: () => true });
    assert(!access.allowsAll, rule);
  }
  access.update({ ...fullAccess().rules, expressions: false });
  assert(!access.allowsAll);
});
