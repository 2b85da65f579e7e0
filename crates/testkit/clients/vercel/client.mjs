// Asks through Vercel's AI SDK. Reads one request a line, as JSON, and answers it in one line.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

globalThis.AI_SDK_LOG_WARNINGS = false; // It would write them among the answers.

// The packages are installed outside of the repository, in the folder that is given.
const require = createRequire(`${process.argv[2]}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { generateText, streamText, generateObject, jsonSchema, tool, stepCountIs } = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createAnthropic } = await load("@ai-sdk/anthropic");
const { createGoogleGenerativeAI } = await load("@ai-sdk/google");

const modelOf = {
  chat: (at, model) => createOpenAI({ baseURL: `${at.proxy}/v1`, apiKey: at.key }).chat(model),
  responses: (at, model) => createOpenAI({ baseURL: `${at.proxy}/v1`, apiKey: at.key }).responses(model),
  anthropic: (at, model) => createAnthropic({ baseURL: `${at.proxy}/v1`, apiKey: at.key })(model),
  google: (at, model) => createGoogleGenerativeAI({ baseURL: `${at.proxy}/v1beta`, apiKey: at.key })(model),
};

const usageOf = ({ inputTokens, outputTokens }) => ({ input: inputTokens, output: outputTokens });

async function answer({ client, at, model, kind, prompt, messages, system, limit, tools, schema, results, choice }) {
  const options = { model: modelOf[client](at, model), maxRetries: 0, system, maxOutputTokens: limit };
  if (messages) options.messages = messages;
  else options.prompt = prompt;
  if (choice) options.toolChoice = choice;
  if (kind === "object") {
    const { object } = await generateObject({ ...options, schema: jsonSchema(schema) });
    return { object };
  }
  const called = [];
  if (tools) {
    const make = (name) => {
      const execute = (input) => {
        called.push({ name, input });
        return results[name];
      };
      return [name, tool({ description: "A tool.", inputSchema: jsonSchema(schema), ...(results && { execute }) })];
    };
    options.tools = Object.fromEntries(tools.map(make));
    if (results) options.stopWhen = stepCountIs(3);
  }
  if (kind === "text") {
    const made = await generateText(options);
    const calls = made.toolCalls.map(({ toolName, input }) => ({ name: toolName, input }));
    return { text: made.text, finish: made.finishReason, usage: usageOf(made.usage), called, calls };
  }
  const errors = [];
  const made = streamText({ ...options, onError: ({ error }) => errors.push(String(error)) });
  let text = "";
  let pieces = 0;
  for await (const piece of made.textStream) {
    text += piece;
    pieces += 1;
  }
  if (errors.length) return { text, errors };
  return { text, pieces, finish: await made.finishReason, usage: usageOf(await made.usage), called, errors };
}

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = await answer(JSON.parse(line));
  } catch (error) {
    said = { thrown: error.name, status: error.statusCode, message: error.message };
  }
  console.log(JSON.stringify(said));
}
