import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const transport = new StreamableHTTPClientTransport(new URL(process.env.STRONGROOM_URL!), {
  requestInit: { headers: { Authorization: `Bearer ${process.env.STRONGROOM_KEY}` } },
});
const client = new Client({ name: "quickstart", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
await client.connect(transport);

const { tools } = await client.listTools();
console.log(tools.map((tool) => tool.name));
const result = await client.callTool({ name: "files.read", arguments: { path: "notes.txt" } });
const content = result.structuredContent as { text: string; reason_code: string };
console.log(result.isError ? `refused: ${content.reason_code}` : content.text);

await client.close();
