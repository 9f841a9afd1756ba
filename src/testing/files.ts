/**
 * Files of all formats that have tables. For tests only.
 *
 * @module
 */

import { tableFromArrays, tableToIPC } from "apache-arrow";
import { parquetWriteBuffer, schemaFromColumnData } from "hyparquet-writer";
import { join } from "node:path";

/** A folder of one's own, deleted at the end. */
export class Folder implements AsyncDisposable {
  /** Where it is. */
  readonly path: string = Deno.makeTempDirSync();

  /** Where a file of it is, which needn't be there. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** Writes a file, and says where it is. */
  write(name: string, content: string | Uint8Array): string {
    const path = this.at(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  /** Writes to the end of a file. */
  append(name: string, text: string): void {
    Deno.writeTextFileSync(this.at(name), text, { append: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Rows as an Arrow stream, or a file. */
export function arrowOf(
  columns: Record<string, string[] | Float64Array>,
  kind: "file" | "stream",
): Uint8Array {
  return tableToIPC(tableFromArrays(columns), kind);
}

type ParquetColumns = Parameters<typeof schemaFromColumnData>[0];

/** Columns as a Parquet file. */
export function parquetOf(
  columnData: ParquetColumns["columnData"],
  schemaOverrides: ParquetColumns["schemaOverrides"] = {},
): Uint8Array {
  const schema = schemaFromColumnData({ columnData, schemaOverrides });
  const columns = columnData.map(({ name, data }) => ({ name, data }));
  return new Uint8Array(parquetWriteBuffer({ columnData: columns, schema }));
}
