import { Folder } from "../testing/files.ts";
import { FileWatcher } from "./watch.ts";

Deno.test("FileWatcher tells of files that are written, or replaced", async () => {
  await using folder = new Folder();
  const paths = [folder.write("a.csv", "a\n"), folder.write("b.csv", "a\n")];
  const waiting = new Map<string, () => void>();
  /** Resolves when it tells of `path`; a write may be told of twice. */
  const changed = (path: string) =>
    new Promise<void>((resolve) => waiting.set(path, resolve));
  const watcher = new FileWatcher(paths, (path) => {
    waiting.get(path)?.();
    return Promise.resolve();
  });
  const first = changed(paths[0]!);
  folder.append("a.csv", "1\n");
  await first;

  // As editors do it: another file takes its place.
  const second = changed(paths[1]!);
  folder.write("c.csv", "a\n");
  Deno.renameSync(folder.at("c.csv"), paths[1]!);
  await second;
  watcher[Symbol.dispose]();
  watcher[Symbol.dispose]();
  await watcher.done;
});
