/**
 * A table that everybody may edit, where everybody sees what others do.
 *
 * ```sh
 * deno run -A examples/editing.ts
 * ```
 *
 * Open the page twice, and click into a cell.
 *
 * @module
 */
import { Access, PerspectiveHandler, Server } from "../mod.ts";
import { run, runMain, type Running } from "./run.ts";

/** Serves the table. */
export async function serveEditing(port = 8080): Promise<Running> {
  const server = new Server();
  // With an index, an edit changes the row that it was made in, wherever the
  // row has moved to since.
  await server.newLocalClient().table({
    id: [1, 2, 3, 4],
    task: ["Book the room", "Order lunch", "Invite", "Print badges"],
    who: ["Ada", "Grace", "Ada", "Alan"],
    hours: [1, 2, 5, 3],
  }, { name: "plan", index: "id" });
  const handler = new PerspectiveHandler({
    server,
    // Rows, but no tables.
    authorize: () => new Access({ update: ["plan"] }),
  });
  return run({ server, handler, page: "editing.html", port });
}

if (import.meta.main) await runMain(serveEditing);
