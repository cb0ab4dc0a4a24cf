// The TypeScript SDK's side of sdk_driver.py: node sdk_driver.mjs SDK CASE EXECUTABLE COUNT
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [sdk, kind, executable, countText] = process.argv.slice(2);
const { Codex } = await import(pathToFileURL(sdk).href);
const count = Number(countText);
const codex = new Codex({ codexPathOverride: executable });
const run = (prompt = "go") => codex.startThread().run(prompt);
const stream = async (prompt = "go") => (await codex.startThread().runStreamed(prompt)).events;
const middle = (values, at) => values.sort((a, b) => a - b)[Math.floor(values.length * at)];
let result;
await run("warm");
if (kind === "turns") {
  const spent = [];
  const used = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await run();
    spent.push(performance.now() - began);
  }
  const { user, system } = process.cpuUsage(used);
  result = { ms: middle(spent, 0.5), cpu: (user + system) / 1e6 };
} else if (kind === "latency") {
  const late = [];
  const used = process.cpuUsage();
  for await (const event of await stream()) {
    if (event.item?.text) late.push(Number(process.hrtime.bigint() - BigInt(event.item.text)) / 1e6);
  }
  const { user, system } = process.cpuUsage(used);
  result = { ms: middle(late, 0.5), p99: middle(late, 0.99), cpu: (user + system) / 1e6 };
} else if (kind === "crowd") {
  // As in sdk_driver.py.
  const late = [];
  const watched = Array.from({ length: 10 }, () => {
    let resolve;
    const seen = new Promise((done) => (resolve = done));
    const watch = async () => {
      for await (const event of await stream("tick")) {
        if (!event.item?.text) continue;
        late.push(Number(process.hrtime.bigint() - BigInt(event.item.text)) / 1e6);
        resolve();
      }
    };
    return { seen, ended: watch() };
  });
  await Promise.all(watched.map(({ seen }) => seen));
  late.length = 0;
  await Promise.all(Array.from({ length: count - watched.length }, () => run()));
  const taken = [...late];
  await Promise.all(watched.map(({ ended }) => ended));
  result = { ms: middle(taken, 0.5), p99: middle(taken, 0.99) };
} else {
  const began = performance.now();
  const used = process.cpuUsage();
  let events = 0;
  if (kind === "many") await Promise.all(Array.from({ length: count }, () => run()));
  else for await (const _ of await stream()) events++;
  const { user, system } = process.cpuUsage(used);
  let mb = NaN;
  try {
    mb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
  } catch {}
  result = { s: (performance.now() - began) / 1000, cpu: (user + system) / 1e6, mb, events };
}
console.log(JSON.stringify(result));
