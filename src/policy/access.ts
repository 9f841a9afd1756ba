/**
 * What a client may do.
 *
 * @module
 */

/**
 * Tables by name: `true` for all, `false` for none, a list, or a function that
 * decides. A function is asked for each request, so it should be quick.
 */
export type TableRule =
  | boolean
  | readonly string[]
  | ((table: string) => boolean);

/** What an {@linkcode Access} allows. */
export interface AccessRules {
  /**
   * Tables that are there for the client. It isn't told of others, and what it
   * asks of one is answered as if there were no table of that name.
   *
   * @default {true}
   */
  readonly see?: TableRule;
  /**
   * Of these, tables that it may read, make views of and subscribe to.
   *
   * @default {true}
   */
  readonly read?: TableRule;
  /**
   * Of these, tables whose rows it may change: `table_update`, `table_remove`,
   * `table_replace`, and the ports for that.
   *
   * @default {false}
   */
  readonly update?: TableRule;
  /**
   * Of the names that `see` lets it see, those by which it may make tables, joins
   * among them.
   *
   * @default {false}
   */
  readonly create?: TableRule;
  /**
   * Of those that it sees, tables that it may delete.
   *
   * @default {false}
   */
  readonly delete?: TableRule;
  /**
   * Whether views may have expressions, which are computed by the engine for
   * each row. On 5.5.1 expressions can be made that show what is in the engine's
   * memory: set this to `false` for whoever may not see all tables.
   *
   * @default {true}
   */
  readonly expressions?: boolean;
  /**
   * Whether what it sends is handed to the engine as it is. Otherwise it is
   * looked at first, since an engine doesn't survive everything.
   *
   * @default {false}
   */
  readonly trusted?: boolean;
}

/** Something that may be done to a table. */
export type TableAction = "see" | "read" | "update" | "create" | "delete";

const DEFAULTS: Required<AccessRules> = {
  see: true,
  read: true,
  update: false,
  create: false,
  delete: false,
  expressions: true,
  trusted: false,
};

/**
 * What a client may do. It is asked for each request, so what
 * {@linkcode Access.update} changes takes effect at once, for all sessions that
 * were given this one.
 *
 * @example Reading two tables, and changing one of them
 * ```ts
 * import { Access } from "@perspective-deno/handler";
 * import { assert } from "@std/assert";
 *
 * const access = new Access({ see: ["orders", "prices"], update: ["orders"] });
 * assert(access.may("read", "prices"));
 * assert(!access.may("update", "prices"));
 * assert(!access.may("read", "salaries"));
 * ```
 */
export class Access {
  #rules: Required<AccessRules>;
  #allowsAll: boolean;
  readonly #listeners = new Set<() => void>();

  /**
   * Allows what `rules` say, and otherwise to see and read all tables.
   *
   * @throws {TypeError} If a rule has the wrong type.
   */
  constructor(rules: AccessRules = {}) {
    this.#rules = resolve(rules);
    this.#allowsAll = allowsAll(this.#rules);
  }

  /** What it allows. */
  get rules(): Readonly<Required<AccessRules>> {
    return this.#rules;
  }

  /** Whether there is nothing that it doesn't allow. */
  get allowsAll(): boolean {
    return this.#allowsAll;
  }

  /** See {@linkcode AccessRules.expressions}. */
  get expressions(): boolean {
    return this.#rules.expressions;
  }

  /** See {@linkcode AccessRules.trusted}. */
  get trusted(): boolean {
    return this.#rules.trusted;
  }

  /**
   * Whether `action` is allowed on `table`. What isn't seen can't be read,
   * updated or deleted, either.
   */
  may(action: TableAction, table: string): boolean {
    const rules = this.#rules;
    if (!allows(rules[action], table)) return false;
    return action === "see" || allows(rules.see, table);
  }

  /**
   * Allows something else from now on: `rules`, or what `rules` allows now if
   * it is another access.
   *
   * @throws {TypeError} If a rule has the wrong type. Then nothing changes.
   */
  update(rules: AccessRules | Access): void {
    this.#rules = rules instanceof Access ? rules.#rules : resolve(rules);
    this.#allowsAll = allowsAll(this.#rules);
    for (const listener of [...this.#listeners]) listener();
  }

  /**
   * Calls `listener` after each {@linkcode Access.update}.
   *
   * @returns What ends that.
   */
  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/**
 * Everything, as Perspective's own servers allow it.
 *
 * @example A program whose data needn't be looked at
 * ```ts
 * import { fullAccess } from "@perspective-deno/handler";
 * import { assert } from "@std/assert";
 *
 * assert(!fullAccess().trusted);
 * const feed = fullAccess({ trusted: true });
 * assert(feed.trusted && feed.may("update", "prices"));
 * ```
 *
 * @param options With `trusted`, what the client sends isn't looked at.
 */
export function fullAccess(
  options: Pick<AccessRules, "trusted"> = {},
): Access {
  return new Access({ update: true, create: true, delete: true, ...options });
}

/**
 * Seeing and reading `tables`, all by default, and nothing else.
 *
 * @example One table, and no expressions in its views
 * ```ts
 * import { readOnly } from "@perspective-deno/handler";
 * import { assert } from "@std/assert";
 *
 * const access = readOnly({ tables: ["prices"], expressions: false });
 * assert(access.may("read", "prices"));
 * assert(!access.may("update", "prices") && !access.may("see", "orders"));
 * ```
 *
 * @throws {TypeError} If an option has the wrong type.
 */
export function readOnly(
  { tables = true, ...options }:
    & { readonly tables?: TableRule }
    & Pick<AccessRules, "expressions" | "trusted"> = {},
): Access {
  return new Access({ see: tables, ...options });
}

function allowsAll(rules: Required<AccessRules>): boolean {
  return Object.entries(rules).every(([name, rule]) =>
    rule === true || name === "trusted"
  );
}

function allows(rule: TableRule, table: string): boolean {
  if (typeof rule === "boolean") return rule;
  return typeof rule === "function" ? rule(table) : rule.includes(table);
}

function resolve(rules: AccessRules): Required<AccessRules> {
  const resolved = { ...DEFAULTS, ...defined(rules) };
  for (const [name, rule] of Object.entries(resolved)) {
    if (!(name in DEFAULTS)) {
      throw new TypeError(
        `Cannot create access: there is no rule "${name}", rules are ` +
          Object.keys(DEFAULTS).join(", "),
      );
    }
    const isFlag = name === "expressions" || name === "trusted";
    if (typeof rule === "boolean") continue;
    if (!isFlag && (typeof rule === "function" || isNames(rule))) continue;
    const wanted = isFlag
      ? "a boolean"
      : "a boolean, a list of names or a function";
    throw new TypeError(
      `Cannot create access: "${name}" must be ${wanted}, received ` +
        (Array.isArray(rule) ? "another list" : typeof rule),
    );
  }
  return resolved;
}

/** What is set in `rules`; `undefined` is as if it weren't. */
function defined(rules: AccessRules): AccessRules {
  return Object.fromEntries(
    Object.entries(rules).filter(([, rule]) => rule !== undefined),
  );
}

function isNames(rule: unknown): boolean {
  return Array.isArray(rule) && rule.every((it) => typeof it === "string");
}
