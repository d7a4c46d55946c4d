// Runs each block of README.md as a new user would: packs the package, installs it in another project, compiles.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = fileURLToPath(new URL("../../", import.meta.url));
const mark = "--- next block\n";

interface ReadmeResponse {
  method: string;
  path: string;
  status: number;
  type: string;
  body: string;
}

/** Runs a program in a directory. Returns its standard output. */
async function run(cwd: string, file: string, ...args: string[]): Promise<string> {
  // npm sets variables for the script that runs this test, which are wrong for another project.
  const environment = Object.entries(process.env).filter(([name]) => !/^npm_(config_local_prefix|config_prefix|package|lifecycle)/.test(name));
  const env = { ...Object.fromEntries(environment), npm_config_prefer_offline: "true", npm_config_audit: "false", npm_config_fund: "false" };
  const child = promisify(execFile)(file, args, { cwd, env });
  return (await child.catch(({ stdout, stderr }) => assert.fail(`${[file, ...args].join(" ")}\n${stdout}${stderr}`))).stdout;
}

test("the README's blocks print the output that the README shows", { timeout: 120_000 }, async (t) => {
  const readme = await readFile(join(here, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => ({ language, text }));
  const [pack, install] = blocks.filter(({ language }) => language === "sh");
  const rest = blocks.filter(({ language }) => language !== "sh");
  assert.ok(pack && install && rest.every(({ language }, i) => language === (i % 2 === 0 ? "ts" : "text")), "no test runs one of the blocks");

  // The READMEs of all three SDKs have the same responses. Equal requests get them in turn.
  const responses = JSON.parse(await readFile(join(here, "../testdata/readme.json"), "utf8")) as ReadmeResponse[];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    const index = responses.findIndex(({ method, path }) => method === request.method && path === pathname);
    const [found] = index < 0 ? [] : responses.splice(index, 1);
    responses.push(...(found ? [found] : []));
    response.writeHead(found?.status ?? 404, { "Content-Type": found?.type ?? "text/plain" }).end(found?.body);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const directory = await mkdtemp(join(tmpdir(), "pagila-readme-"));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });

  const copy = join(directory, "typescript");
  for (const name of ["package.json", "package-lock.json", "tsconfig.json", "src"]) {
    await cp(join(here, name), join(copy, name), { recursive: true });
  }
  await run(copy, "bash", "-euc", pack.text);
  const project = join(directory, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), '{ "type": "module", "private": true }');
  await run(project, "bash", "-euc", install.text);

  // The TypeScript blocks of the page about all three SDKs are one program, with one output.
  const page = await readFile(join(here, "../README.md"), "utf8");
  const visit = { code: "", output: "" };
  for (const [, language, text = ""] of page.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    visit.code += language === "ts" ? text : "";
    visit.output += language === "text" ? text : "";
  }

  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const program = rest.map(({ language, text }) => (language === "ts" ? text : `process.stdout.write(${JSON.stringify(mark)});\n`)).join("");
  await writeFile(join(project, "main.ts"), program.replaceAll("http://localhost:8080", url));
  await writeFile(join(project, "visit.ts"), visit.code.replaceAll("http://localhost:8080", url));
  const modules = join(here, "node_modules");
  await run(
    project,
    ...["node", join(modules, "typescript/bin/tsc"), "--strict", "--target", "ES2022", "--module", "NodeNext"],
    ...["--types", "node", "--typeRoots", join(modules, "@types"), "main.ts", "visit.ts"],
  );
  const output = (await run(project, "node", "main.js")).split(mark);
  const shown = rest.filter(({ language }) => language === "text").map(({ text }) => text.trim());
  assert.deepEqual(output.slice(0, -1).map((text) => text.trim()), shown);
  assert.equal(await run(project, "node", "visit.js"), visit.output);
});
