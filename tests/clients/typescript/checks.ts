// What a client of this SDK sees of a Strongroom, told as one JSON object.
//
// Over HTTP when STRONGROOM_URL is set, with STRONGROOM_KEY; or else it starts the program that its arguments name and talks to it
// on standard input and output. STRONGROOM_MODE is how the revision is found: `auto` or `legacy`. The last call is cancelled when
// a line comes on this program's own standard input.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { randomUUID } from "node:crypto";
import { once } from "node:events";

const { STRONGROOM_URL: url, STRONGROOM_KEY: key, STRONGROOM_MODE: mode } = process.env;
const [command, ...args] = process.argv.slice(2);
const transport = url
  ? new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${key}` } } })
  : new StdioClientTransport({ command, args });
const client = new Client(
  { name: "checks", version: "1.0.0" },
  { versionNegotiation: { mode: mode === "auto" ? "auto" : "legacy" } },
);
await client.connect(transport);

async function call(name: string, input: Record<string, unknown>) {
  // What writes is done once under this key, however often it is sent. Without one the host derives it.
  const _meta = { "strongroom/idempotency-key": randomUUID() };
  const result = await client.callTool({ name, arguments: input, _meta });
  return { failed: result.isError ?? false, content: result.structuredContent };
}

const seen: Record<string, unknown> = { revision: client.getNegotiatedProtocolVersion() };
seen.tools = (await client.listTools()).tools.map((tool) => tool.name);
seen.read = await call("files.read", { path: "notes.txt" });
seen.written = await call("files.write", { path: "new.txt", text: "by a client", mode: "create" });
seen.missing = await call("files.read", { path: "nothing.txt" });
seen.denied = await call("files.search", { pattern: "x" });
const progress: unknown[] = [];
const onprogress = (told: { progress: number; total?: number }) => progress.push([told.progress, told.total ?? null]);
seen.worked = (await client.callTool({ name: "mcp.work", arguments: {} }, { onprogress })).structuredContent;
seen.progress = progress;

const abort = new AbortController();
const waiting = client.callTool({ name: "orders.get", arguments: { id: "918" } }, { signal: abort.signal });
const ended = waiting.then(() => false, () => abort.signal.aborted);
await once(process.stdin, "data");
process.stdin.pause();
abort.abort("the user left");
seen.cancelled = await ended;
seen.after = await call("files.read", { path: "notes.txt" });

await client.close();
console.log(JSON.stringify(seen));
