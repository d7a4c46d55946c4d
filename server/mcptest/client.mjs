// Lists the tools with the official TypeScript client and calls every one, well and badly. The client
// compares each result with the tool's output schema.
import assert from 'node:assert/strict'

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const { PAGILA_URL, API_TOKEN } = process.env

async function connect(headers) {
  const client = new Client({ name: 'mcp-test', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${PAGILA_URL}/mcp`), { requestInit: { headers } }))
  return client
}

// The problem document of a call that was refused.
async function refused(client, name, args) {
  const result = await client.callTool({ name, arguments: args })
  assert.equal(result.isError, true, `${name} ${JSON.stringify(args)} was not refused`)
  return JSON.parse(result.content[0].text)
}

// The result of a call that makes something.
async function made(name, args) {
  const result = await client.callTool({ name, arguments: args })
  assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`)
  return result.structuredContent
}

const client = await connect({ Authorization: `Bearer ${API_TOKEN}` })
assert.match(client.getInstructions(), /DVD-rental/)
const { tools } = await client.listTools()

const contract = await (await fetch(`${PAGILA_URL}/openapi.json`)).json()
const marked = Object.values(contract.paths)
  .flatMap((path) => Object.values(path))
  .filter((operation) => operation['x-tool'])
  .map((operation) => operation.operationId)
assert.deepEqual(tools.map((tool) => tool.name), marked.sort())

const { structuredContent: inventory } = await client.callTool({ name: 'listFilmInventory', arguments: { film_id: 2 } })
const copies = inventory.items.filter((item) => item.in_stock).map((item) => item.inventory_id)

// What each tool needs beside the number 1 for each required argument. The tools are called in the order of their names,
// so a rental and a subscription are made here for those that end them.
const { structuredContent: film } = await client.callTool({ name: 'getFilm', arguments: { film_id: 1 } })
const rented = await made('createRental', { customer_id: 1, inventory_id: copies[0], staff_id: 1 })
const subscribed = await made('createSubscription', { customer_id: 1, plan_name: 'basic' })
const needed = {
  createRental: { inventory_id: copies[1] },
  createSubscription: { customer_id: 2, plan_name: 'standard' },
  getRental: { rental_id: rented.rental_id },
  returnRental: { rental_id: rented.rental_id },
  getSubscription: { subscription_id: subscribed.subscription_id },
  cancelSubscription: { subscription_id: subscribed.subscription_id },
  updateFilm: { streaming_available: true, 'If-Match': film.etag },
}
const writing = ['createRental', 'createSubscription', 'returnRental', 'cancelSubscription', 'updateFilm']

let calls = 3
for (const { name, inputSchema, annotations } of tools) {
  const required = { ...Object.fromEntries((inputSchema.required ?? []).map((argument) => [argument, 1])), ...needed[name] }

  for (const argument of Object.keys(inputSchema.properties)) {
    const problem = await refused(client, name, { ...required, [argument]: { made: 'up' } })
    assert.equal(problem.status, 400, name)
    assert.ok(problem.errors.some((error) => error.parameter === argument || error.pointer === `#/${argument}`), `${name} ${argument}: ${JSON.stringify(problem)}`)
    calls++
  }
  assert.equal((await refused(client, name, { ...required, made_up: 1 })).status, 400, name)

  const result = await client.callTool({ name, arguments: required })
  assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`)
  assert.deepEqual(result.structuredContent, JSON.parse(result.content[0].text))
  assert.equal(annotations.readOnlyHint, !writing.includes(name))
  calls += 2
}
await assert.rejects(client.callTool({ name: 'made_up' }), /unknown tool/)

const anyone = await connect({})
const problem = await refused(anyone, 'createRental', { customer_id: 1, inventory_id: copies[0], staff_id: 1 })
assert.equal(problem.code, 'missing_token')

await anyone.close()
await client.close()
console.log(`mcp-test: TypeScript client: ${tools.length} tools, ${calls + 3} calls`)
