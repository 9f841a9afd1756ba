/**
 * Opening the page in the browser.
 *
 * @module
 */

/** Has the system open `url` with its browser. */
export async function openInBrowser(url: string): Promise<void> {
  const [command, ...args] = openerOf(Deno.build.os);
  const status = await new Deno.Command(command!, {
    args: [...args, url],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().status;
  if (!status.success) throw new Error(`${command} ended with ${status.code}`);
}

/** What opens a URL. */
export function openerOf(os: typeof Deno.build.os): string[] {
  switch (os) {
    case "darwin":
      return ["open"];
    case "windows":
      return ["rundll32", "url.dll,FileProtocolHandler"];
    default:
      return ["xdg-open"];
  }
}
