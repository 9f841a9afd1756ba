/**
 * Arrow files and streams. The engine reads them as a whole.
 *
 * @module
 */

import { checkArrow } from "../../guards/arrow.ts";
import { DEFAULT_PAYLOAD_LIMITS } from "../../guards/payload.ts";
import { BadFileError } from "../errors.ts";
import {
  type OnProgress,
  type Piece,
  readRange,
  type Survey,
} from "../source.ts";

/**
 * Looks at an Arrow file.
 *
 * @throws {BadFileError} If something is wrong with it.
 */
export async function surveyArrow(
  path: string,
  size: number,
  onProgress: OnProgress,
): Promise<Survey> {
  const bytes = await readRange(path, { start: 0, end: size });
  const limits = {
    ...DEFAULT_PAYLOAD_LIMITS,
    maxRows: Infinity,
    // Of a file of one's own, that is no attack.
    maxDecompressed: Infinity,
  };
  const refusal = checkArrow(bytes, limits);
  if (refusal !== undefined) {
    throw new BadFileError(refusal.replace(/^Cannot read Arrow: /, ""));
  }
  onProgress(size, size, 0);
  const data = bytes.buffer;
  async function* pieces(): AsyncIterable<Piece> {
    yield { data, rows: undefined, end: size };
  }
  return { start: data, isAll: true, size, pieces };
}
