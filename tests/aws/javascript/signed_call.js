// The AWS SDK for JavaScript gets credentials in one way, and makes a signed call for each line of stdin.
//
//   signed_call.js --aws URL
//
// The way comes from the environment, as for any program; there is one credential provider for the whole run. Each line is
// answered by a line, {"sent_access_key", "account"} or {"error": {"type", "message"}}.

"use strict";

const readline = require("node:readline");
const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");

async function main(url) {
  const sts = new STSClient({ endpoint: url, region: "us-east-1", maxAttempts: 1 });
  let sent;
  // Runs after the request was signed.
  sts.middlewareStack.add(
    (next) => (call) => {
      sent = /Credential=([^/]+)\//.exec(call.request.headers.authorization)[1];
      return next(call);
    },
    { step: "finalizeRequest", priority: "low" },
  );
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      const identity = await sts.send(new GetCallerIdentityCommand({}));
      answer = { sent_access_key: sent, account: identity.Account };
    } catch (error) {
      answer = { error: { type: error.name, message: error.message } };
    }
    console.log(JSON.stringify(answer));
  }
}

if (process.argv.length !== 4 || process.argv[2] !== "--aws") {
  console.error("usage: signed_call.js --aws URL");
  process.exit(2);
}
main(process.argv[3]);
