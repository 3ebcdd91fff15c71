// AWS's SDK for JavaScript gets credentials in the way that the environment says, makes signed calls with one client, and
// prints the access keys that it used: {"calls": [{"access_key", "sent_access_key"}]}, or {"error"} with exit code 1.
//
//     node signed_call.mjs --aws URL [--times N] [--pause SECONDS]

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const { values } = parseArgs({
  options: {
    aws: { type: "string" },
    times: { type: "string", default: "1" },
    pause: { type: "string", default: "0" },
  },
});

const client = new STSClient({ region: "us-east-1", endpoint: values.aws, maxAttempts: 1 });
let sent;
client.middlewareStack.add(
  (next) => (request) => {
    sent = /Credential=([^/]+)\//.exec(request.request.headers.authorization)?.[1];
    return next(request);
  },
  { step: "finalizeRequest", priority: "low" },
);

try {
  const calls = [];
  for (let call = 0; call < Number(values.times); call += 1) {
    if (call > 0) await sleep(1000 * Number(values.pause));
    await client.send(new GetCallerIdentityCommand({}));
    const { accessKeyId } = await client.config.credentials();
    calls.push({ access_key: accessKeyId, sent_access_key: sent });
  }
  console.log(JSON.stringify({ calls }));
} catch (error) {
  console.log(JSON.stringify({ error: { type: error.name, message: error.message } }));
  process.exitCode = 1;
}
