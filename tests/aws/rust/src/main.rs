//! The AWS SDK for Rust gets credentials in one way, and makes a signed call for each line of stdin.
//!
//! `aws_rust_client --aws URL`
//!
//! The way comes from the environment, as for any program, and so does the region; there is one credential provider for the
//! whole run. Each line is answered by a line, `{"sent_access_key", "account", "region"}` or `{"error": {"message"}}`.

use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, retry::RetryConfig};
use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, DisplayErrorContext};
use aws_smithy_http_client::Builder;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [option, url] = &arguments[..] else { return Err("usage: aws_rust_client --aws URL".into()) };
    if option != "--aws" {
        return Err("usage: aws_rust_client --aws URL".into());
    }
    // With a thread that notices in the meantime which connections the servers close.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(answer_lines(url))
}

async fn answer_lines(url: &str) -> Result<(), Box<dyn Error>> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    let region = config.region().map(ToString::to_string);
    let sent = Arc::new(Mutex::new(None));
    let config = aws_sdk_sts::config::Builder::from(&config)
        .endpoint_url(url)
        .interceptor(SentAccessKey(Arc::clone(&sent)))
        .build();
    let sts = aws_sdk_sts::Client::from_conf(config);
    for line in std::io::stdin().lock().lines() {
        line?;
        let answer: Value = match sts.get_caller_identity().send().await {
            Ok(identity) => json!({
                "sent_access_key": *sent.lock().map_err(|_| "a call panicked")?,
                "account": identity.account(),
                "region": region,
            }),
            Err(error) => json!({"error": {"message": DisplayErrorContext(&error).to_string()}}),
        };
        println!("{answer}");
    }
    Ok(())
}

/// Keeps the access key that a signed request names.
#[derive(Debug)]
struct SentAccessKey(Arc<Mutex<Option<String>>>);

impl Intercept for SentAccessKey {
    fn name(&self) -> &'static str {
        "SentAccessKey"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let authorization = context.request().headers().get("authorization").unwrap_or_default();
        let key = authorization.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        *self.0.lock().map_err(|_| "a call panicked")? = key.map(str::to_owned);
        Ok(())
    }
}
