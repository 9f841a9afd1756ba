/**
 * Who is next, in front of an engine.
 *
 * @module
 */

/** A request that waits for an engine. */
export interface Waiting {
  /**
   * Whose it is. Requests of one owner are taken in order; owners take turns.
   */
  readonly owner: object;
  /** When it was made: a change never overtakes its owner's earlier requests. */
  readonly stamp: number;
}

interface Read<T> {
  readonly item: T;
  readonly stamp: number;
  /** It comes after so many changes: those that were there before it. */
  readonly after: number;
}

interface Changes<T> {
  readonly item: T;
  /** The last of each owner. */
  readonly last: ReadonlyMap<object, number>;
  /** Whether the changes behind it wait until they are let go. */
  holds: boolean;
}

/** What one owner waits for. */
interface Lane<T> {
  readonly owner: object;
  readonly reads: Read<T>[];
}

/**
 * A queue in front of an engine in which sessions take turns, so that one with
 * a thousand requests delays another's by no more than what is under way.
 *
 * - Changes are taken in order (Invariant 1), in turn with everything else.
 * - A read is taken after every change that was there before it (Invariant 2).
 * - An owner's requests are taken in order, its changes among them.
 *
 * The changes can be held at one place in their order, so that what is done
 * there, in several turns, sees one state of the tables.
 */
export class Turns<T> {
  readonly #changes: Changes<T>[] = [];
  /** Changes that were added and taken so far. */
  #added = 0;
  #taken = 0;
  readonly #lanes = new Map<object, Lane<T>>();
  /** Lanes that aren't empty, in the order of their turns. */
  readonly #ring: Lane<T>[] = [];
  /** Whether the next turn is a change's. */
  #changeIsNext = false;
  #isHeld = false;
  /** Whether they are held no longer than for what is left to do. */
  #isLetGo = false;
  /** What is done while they are held. */
  readonly #during: T[] = [];
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** How many of them aren't changes. */
  get reads(): number {
    return this.#size - this.#changes.length;
  }

  /** Whether changes are held. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Adds changes that are taken as one, of one owner or several. */
  addChanges(item: T, changes: readonly Waiting[]): void {
    this.#addChange({ item, last: lastOfEach(changes), holds: false });
  }

  /**
   * Adds what is taken in the order of changes, and holds those behind it until
   * {@linkcode Turns.letGo}. Reads that don't wait for these go on.
   */
  addHolding(item: T): void {
    this.#addChange({ item, last: NOBODY, holds: true });
  }

  /** Adds what is taken while changes are held, in turn with reads. */
  addDuring(item: T): void {
    this.#size++;
    this.#during.push(item);
  }

  /**
   * Holds changes no longer, once what was to be done meanwhile is. If the place
   * from which they were to be held isn't reached yet, they won't be.
   */
  letGo(): void {
    if (!this.#isHeld) {
      for (const change of this.#changes) change.holds = false;
    } else if (this.#during.length === 0) this.#isHeld = false;
    else this.#isLetGo = true;
  }

  /** Takes out all reads, in the order in which they were asked. */
  takeReads(): T[] {
    const reads = [...this.#lanes.values()].flatMap(({ reads }) => reads);
    this.#lanes.clear();
    this.#ring.length = 0;
    this.#size -= reads.length;
    return reads.sort((a, b) => a.stamp - b.stamp).map(({ item }) => item);
  }

  /** Takes out all changes, and what was to be done in their order. */
  takeChanges(): T[] {
    const changes = this.#changes.splice(0);
    const during = this.#during.splice(0);
    this.#size -= changes.length + during.length;
    this.#taken += changes.length;
    this.#isHeld = this.#isLetGo = false;
    return [...during, ...changes.map(({ item }) => item)];
  }

  #addChange(change: Changes<T>): void {
    this.#size++;
    this.#added++;
    this.#changes.push(change);
  }

  /** Adds anything else. */
  add(item: T, { owner, stamp }: Waiting): void {
    this.#size++;
    let lane = this.#lanes.get(owner);
    if (lane === undefined) {
      lane = { owner, reads: [] };
      this.#lanes.set(owner, lane);
      this.#ring.push(lane);
    }
    lane.reads.push({ item, stamp, after: this.#added });
  }

  /** Takes the next one. */
  next(): T | undefined {
    if (this.#size === 0) return undefined;
    if (this.#isHeld) return this.#nextWhileHeld();
    const lane = this.#ring[0];
    const change = this.#changes[0];
    if (change !== undefined && (this.#changeIsNext || lane === undefined)) {
      return this.#takeChange(change);
    }
    if (lane!.reads[0]!.after > this.#taken) return this.#takeChange(change!);
    this.#changeIsNext = true;
    return this.#takeRead(lane!);
  }

  #nextWhileHeld(): T | undefined {
    const lane = this.#ring.find(({ reads }) => reads[0]!.after <= this.#taken);
    if (
      this.#during.length > 0 && (this.#changeIsNext || lane === undefined)
    ) {
      this.#changeIsNext = false;
      this.#size--;
      const item = this.#during.shift();
      if (this.#isLetGo && this.#during.length === 0) {
        this.#isHeld = this.#isLetGo = false;
      }
      return item;
    }
    if (lane === undefined) return undefined;
    this.#changeIsNext = true;
    return this.#takeRead(lane);
  }

  #takeChange(change: Changes<T>): T {
    const lane = this.#laneBefore(change);
    if (lane !== undefined) return this.#takeRead(lane);
    this.#changeIsNext = false;
    this.#size--;
    this.#taken++;
    this.#changes.shift();
    this.#isHeld = change.holds;
    return change.item;
  }

  /** A lane whose owner asked something before it asked for `change`. */
  #laneBefore({ last }: Changes<T>): Lane<T> | undefined {
    if (this.#ring.length === 0) return undefined;
    for (const [owner, stamp] of last) {
      const lane = this.#lanes.get(owner);
      if (lane !== undefined && lane.reads[0]!.stamp < stamp) return lane;
    }
    return undefined;
  }

  /** Takes the first of `lane`, whose next turn is after all others'. */
  #takeRead(lane: Lane<T>): T {
    const { item } = lane.reads.shift()!;
    this.#size--;
    this.#ring.splice(this.#ring.indexOf(lane), 1);
    if (lane.reads.length > 0) this.#ring.push(lane);
    else this.#lanes.delete(lane.owner);
    return item;
  }
}

const NOBODY: ReadonlyMap<object, number> = new Map();

/** When the last of each owner's was made. */
function lastOfEach(changes: readonly Waiting[]): Map<object, number> {
  const last = new Map<object, number>();
  for (const { owner, stamp } of changes) last.set(owner, stamp);
  return last;
}
