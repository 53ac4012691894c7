// openai-node and the Vercel AI SDK against a running gateway: only the address and the key are changed.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateImage, generateText } from "ai";
import OpenAI, { APIError, BadRequestError, toFile } from "openai";

const { BASE_URL: baseURL, API_KEY: apiKey = "not-needed" } = process.env;
const PROMPT = "a red kite over dunes";
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
const TOOL = { type: "image_generation", model: "gpt-image-2", quality: "low" };

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const vercel = createOpenAI({ baseURL, apiKey });

const isPng = (bytes) => assert.deepEqual(Buffer.from(bytes).subarray(0, 4), PNG);
const fromBase64 = (text) => Buffer.from(text, "base64");
const collected = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};

let picture, mask;
const scenes = {
  "openai-node: a picture": async () => {
    const answer = await client.images.generate({ model: "gpt-image-2", prompt: PROMPT, size: "1024x1024" });
    picture = fromBase64(answer.data[0].b64_json);
    isPng(picture);
    assert.ok(answer.usage.total_tokens > 0);
  },
  "openai-node: a badge on nothing": async () => {
    const badge = { model: "transparent", prompt: "a badge", background: "transparent", size: "1024x1024" };
    const answer = await client.images.generate(badge);
    mask = fromBase64(answer.data[0].b64_json);
    assert.equal(answer.background, "transparent");
  },
  "openai-node: a stream": async () => {
    const asked = { model: "gpt-image-2", prompt: PROMPT, stream: true, partial_images: 2 };
    const kinds = (await collected(await client.images.generate(asked))).map((event) => event.type);
    const partial = "image_generation.partial_image";
    assert.deepEqual(kinds, [partial, partial, "image_generation.completed"]);
  },
  "openai-node: an edit of two files with a mask": async () => {
    const image = await Promise.all(["a", "b"].map((name) => toFile(picture, `${name}.png`, { type: "image/png" })));
    const file = await toFile(mask, "mask.png", { type: "image/png" });
    const answer = await client.images.edit({ model: "gpt-image-2", prompt: PROMPT, image, mask: file });
    isPng(fromBase64(answer.data[0].b64_json));
  },
  "openai-node: an error it can tell": async () => {
    await assert.rejects(client.images.generate({ model: "gpt-image-2", prompt: PROMPT, size: "tiny" }), (error) => {
      assert.ok(error instanceof BadRequestError && error instanceof APIError);
      assert.equal(error.param, "size");
      return true;
    });
  },
  "openai-node: a client that still says dall-e-3": async () => {
    const answer = await client.images.generate({ model: "dall-e-3", prompt: PROMPT, quality: "hd", style: "vivid" });
    assert.match(answer.data[0].url, /^(https?|data):/);
  },
  "openai-node: a conversation": async () => {
    const first = await client.responses.create({ model: "gpt-5.6", input: PROMPT, tools: [TOOL] });
    const again = { model: "gpt-5.6", input: "now at night", previous_response_id: first.id, tools: [TOOL] };
    const second = await client.responses.create(again);
    assert.equal(second.output[0].action, "edit");
    isPng(fromBase64(second.output[0].result));
  },
  "openai-node: a turn as a stream": async () => {
    const stream = client.responses.stream({ model: "gpt-5.6", input: PROMPT, tools: [TOOL] });
    const final = await stream.finalResponse();
    isPng(fromBase64(final.output[0].result));
  },
  "openai-node: moderation and models": async () => {
    assert.equal((await client.moderations.create({ input: PROMPT })).results[0].flagged, false);
    const names = (await collected(await client.models.list())).map((model) => model.id);
    assert.ok(names.length > 0);
    assert.equal((await client.models.retrieve(encodeURIComponent(names[0]))).object, "model");
  },
  "ai: generateImage": async () => {
    const model = vercel.image("gpt-image-2");
    const { image, warnings } = await generateImage({ model, prompt: PROMPT, size: "1024x1024", maxRetries: 0 });
    isPng(image.uint8Array);
    assert.deepEqual(warnings, []);
  },
  "ai: generateImage, several at once": async () => {
    const { images } = await generateImage({ model: vercel.image("gpt-image-2"), prompt: PROMPT, n: 2 });
    assert.equal(images.length, 2);
  },
  "ai: generateImage with dall-e-3": async () => {
    const { image } = await generateImage({ model: vercel.image("dall-e-3"), prompt: PROMPT, size: "1024x1024" });
    assert.ok(image.uint8Array.length > 0);
  },
  "ai: generateImage from a picture and a mask": async () => {
    const prompt = { text: PROMPT, images: [picture], mask };
    const { image } = await generateImage({ model: vercel.image("gpt-image-2"), prompt });
    isPng(image.uint8Array);
  },
  "ai: generateImage fails as it should": async () => {
    const model = vercel.image("gpt-image-2");
    await assert.rejects(generateImage({ model, prompt: "a forbidden-prompt", maxRetries: 0 }), (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, 400);
      assert.match(error.responseBody, /moderation_blocked/);
      return true;
    });
  },
  "ai: generateText with the image tool": async () => {
    const tools = { image_generation: vercel.tools.imageGeneration({ model: "gpt-image-2", quality: "low" }) };
    const { staticToolResults } = await generateText({ model: vercel.responses("gpt-5.6"), prompt: PROMPT, tools });
    isPng(fromBase64(staticToolResults[0].output.result));
  },
};

for (const [name, scene] of Object.entries(scenes)) {
  await scene();
  console.log(`ok  ${name}`);
}
