// Runs snippets with the npm package `replicate`: one JSON request a line in, one JSON answer a line out.
// A snippet is the body of an async function. It sees `replicate`, `Replicate`, `validateWebhook` and its arguments.
const readline = require("node:readline");
const Replicate = require("replicate");

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

async function run({ code, values }) {
  const replicate = new Replicate({ baseUrl: process.env.REPLICATE_BASE_URL });
  const names = { Replicate, replicate, validateWebhook: Replicate.validateWebhook, require, ...values };
  return await new AsyncFunction(...Object.keys(names), code)(...Object.values(names));
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = { result: await run(JSON.parse(line)) };
    } catch (error) {
      answer = { error: error.name || "Error", message: error.message, status: error.response?.status };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}

main();
