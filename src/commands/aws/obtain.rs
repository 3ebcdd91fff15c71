//! Getting credentials: one login and one signature for each request, and no more than three requests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use countersign::device::{Chosen, Exportability, LoginOptions, Policy, SigningKey, close_devices};
use countersign::duration::in_words;
use countersign::error::Error;
use countersign::rolesanywhere::{
    Client, ClientError, Credentials, Request, ResponseError, RoleArn, SignedRequest, SigningTime,
};
use countersign::signature::Mechanism;
use serde_json::json;

use super::{Presented, Wanted};
use crate::commands::key::KeyOptions;
use crate::commands::usage::UsageError;
use crate::terminal::Terminal;

/// Each try is signed anew.
const MAX_TRIES: u32 = 3;
/// Before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(400);
/// AWS takes five minutes; less than that is no clock that is wrong.
const CLOCK_TOLERANCE: i64 = 240;

/// Whoever gets credentials, again and again where somebody serves them.
pub(crate) struct Provider<'a> {
    wanted: Wanted,
    options: &'a KeyOptions,
    terminal: &'a Terminal,
    client: Client,
    /// With the PIN, once it was right, where it cannot be had again.
    login: LoginOptions,
}

/// A key, ready to sign, and what is shown with its signature.
struct Signer {
    key: SigningKey,
    presented: Presented,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(
        wanted: Wanted,
        options: &'a KeyOptions,
        terminal: &'a Terminal,
    ) -> Result<Self, Error> {
        let client = Client::new(&wanted.client)?;
        if wanted.client.trust_any_server {
            terminal.warn("--no-verify-ssl: anybody who stands between can take the credentials");
        }
        let login = options.login().clone();
        Ok(Provider { wanted, options, terminal, client, login })
    }

    /// The role that is asked for.
    pub(crate) fn role(&self) -> &RoleArn {
        self.wanted.session.role()
    }

    /// Gets credentials, and lets the device go.
    pub(crate) fn credentials(&mut self) -> Result<Credentials, Error> {
        let result = self.request_credentials();
        close_devices();
        result
    }

    fn request_credentials(&mut self) -> Result<Credentials, Error> {
        let mut signer = self.signer()?;
        let (mut tries, mut clock_was_wrong) = (0, false);
        loop {
            let (request, now) = self.sign(&mut signer)?;
            tries += 1;
            match self.send(&request, now) {
                Ok(credentials) => return Ok(credentials),
                Err(Failure { clock_ahead: Some(ahead), .. }) if !clock_was_wrong => {
                    clock_was_wrong = true;
                    SKEW.fetch_sub(ahead, Ordering::SeqCst);
                    self.terminal.warn(&format!(
                        "this computer's clock is {} AWS's by {}; the request is sent once more with AWS's time",
                        if ahead > 0 { "ahead of" } else { "behind" },
                        in_words(Duration::from_secs(ahead.unsigned_abs()))
                    ));
                }
                Err(failure) if failure.may_pass && tries < MAX_TRIES => {
                    let pause = PAUSE * 2_u32.pow(tries - 1) + jitter();
                    self.log(&format!(
                        "try={tries} error={:?} pause_ms={}",
                        failure.error.to_string(),
                        pause.as_millis()
                    ));
                    thread::sleep(pause);
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// Everything but sending: says what would be sent.
    pub(crate) fn rehearse(&mut self) -> Result<(), Error> {
        let mut signer = self.signer()?;
        let request = self.request(&signer.presented)?;
        let payload = request.payload();
        let mechanisms = Mechanism::for_payload(&payload, signer.key.public_key());
        let (signature, mechanism) = self
            .options
            .watch()
            .signing(|| "the request".into(), || signer.key.sign(&payload, &mechanisms))?;
        let Signer { key, presented } = &signer;
        let chain: Vec<String> = presented.chain.iter().map(|above| above.subject()).collect();
        let terminal = self.terminal;
        for (what, value) in [
            ("module", key.device().module_path().display().to_string()),
            ("device", key.device().describe()),
            ("key", key.uri().to_owned()),
            ("certificate", presented.leaf.subject()),
            ("serial", presented.leaf.serial_decimal()),
            ("valid until", presented.leaf.last_day()),
            ("chain", if chain.is_empty() { "none".into() } else { chain.join(" < ") }),
            ("endpoint", self.wanted.endpoint.to_string()),
            ("signature", format!("{} bytes by {mechanism}, verified under the public key", signature.len())),
        ] {
            terminal.report(&format!("{what:<12} {value}"))?;
        }
        terminal.report(&format!("\ncanonical request:\n{}", request.canonical_request()))?;
        terminal.report(&format!("\nstring to sign:\n{}", request.string_to_sign()))?;
        terminal.say("Nothing was sent (--dry-run).");
        terminal.document(&json!({
            "module": key.device().module_path().display().to_string(),
            "device": key.device().describe(),
            "key": key.uri(),
            "certificate": presented.leaf.subject(),
            "serial": presented.leaf.serial_decimal(),
            "valid_until": presented.leaf.last_day(),
            "chain": chain,
            "endpoint": self.wanted.endpoint.to_string(),
            "mechanism": mechanism.ckm_name(),
            "canonical_request": request.canonical_request(),
            "string_to_sign": request.string_to_sign(),
        }))
    }

    /// Finds key and certificate and logs in. What AWS would refuse is found before the PIN is used, where the device shows
    /// enough.
    fn signer(&mut self) -> Result<Signer, Error> {
        let (options, terminal) = (self.options, self.terminal);
        // The helper that this stands in for knows no such rule; a key that can leave gets a warning.
        let policy = Policy { allow_exportable: true, any_key: true, ..Policy::default() };
        let chosen: Chosen = options.choose_quietly(&self.wanted.key, policy, terminal)?;
        let candidates = self.wanted.certificate.read(&chosen)?;
        candidates.of_key(chosen.public_key(), SystemTime::now())?.identity()?;
        let key = {
            let access =
                countersign::device::DeviceAccess { login: self.login.clone(), ..options.access().clone() };
            access.log_in(chosen, &|event| options.tell(&event, terminal))?
        }
        .signing_key(policy)?;
        if let Some(pin) = key.pin_to_remember() {
            self.login.pin_source = Some(pin);
        }
        terminal.detail(&format!("{}: {}", key.uri(), key.facts().kind()));
        if terminal.is_verbose() && key.facts().exportability() == Exportability::CanLeave {
            terminal.warn("this key can leave its device");
        }
        let presented = candidates.of_key(Some(key.public_key()), SystemTime::now())?;
        if let Some(left) = presented.ends_soon(SystemTime::now()) {
            terminal.warn(&format!(
                "the certificate {} ends in {}, on {}",
                presented.leaf.subject(),
                in_words(left),
                presented.leaf.last_day()
            ));
        }
        Ok(Signer { key, presented })
    }

    fn request(&self, presented: &Presented) -> Result<Request, Error> {
        let time = SigningTime::from_unix_seconds(now()).ok_or(UsageError::Clock)?;
        let Wanted { session, endpoint, region, .. } = &self.wanted;
        Ok(Request::new(session, endpoint, region, &presented.identity()?, time))
    }

    fn sign(&self, signer: &mut Signer) -> Result<(SignedRequest, i64), Error> {
        let request = self.request(&signer.presented)?;
        let payload = request.payload();
        let mechanisms = Mechanism::for_payload(&payload, signer.key.public_key());
        signer.key.check_allowed(&mechanisms)?;
        let (signature, mechanism) = self
            .options
            .watch()
            .signing(|| "the request".into(), || signer.key.sign(&payload, &mechanisms))?;
        self.log(&format!("signed mechanism={mechanism} bytes={}", signature.len()));
        self.terminal.debug(&format!("canonical request:\n{}", request.canonical_request()));
        self.terminal.debug(&format!("string to sign:\n{}", request.string_to_sign()));
        Ok((request.sign_with(&signature), now()))
    }

    fn send(&self, request: &SignedRequest, now: i64) -> Result<Credentials, Failure> {
        let answered = self.client.send(request, now).map_err(Failure::unreachable)?;
        self.log(&format!(
            "method={} host={} status={} request_id={} ms={}",
            request.method,
            self.wanted.endpoint.host_header(),
            answered.status,
            answered.request_id.as_deref().unwrap_or("-"),
            answered.took.as_millis()
        ));
        answered.result.map_err(Failure::refused)
    }

    fn log(&self, line: &str) {
        self.terminal.detail(&format!("rolesanywhere: {line}"));
    }
}

/// A try that failed.
struct Failure {
    error: Error,
    may_pass: bool,
    /// By how many seconds this computer's clock is ahead, where that is why.
    clock_ahead: Option<i64>,
}

impl Failure {
    fn unreachable(error: ClientError) -> Self {
        let error = Error::from(error);
        Failure { may_pass: error.may_pass(), error, clock_ahead: None }
    }

    fn refused(error: ResponseError) -> Self {
        let clock_ahead = match &error {
            ResponseError::Refused(refusal) if refusal.status == 403 => {
                refusal.clock_ahead.filter(|ahead| ahead.abs() >= CLOCK_TOLERANCE)
            }
            _ => None,
        };
        let error = Error::from(error);
        Failure { may_pass: error.may_pass(), error, clock_ahead }
    }
}

/// Up to a quarter of a second, so that many who failed together do not come back together.
pub(crate) fn jitter() -> Duration {
    let mut byte = [0];
    let _ = SystemRandom::new().fill(&mut byte);
    Duration::from_millis(u64::from(byte[0]))
}

/// Added to this computer's time, in seconds, once AWS has said that it is wrong.
static SKEW: AtomicI64 = AtomicI64::new(0);

/// AWS's time in seconds since 1970, by which credentials end: this computer's, as long as AWS does not say otherwise.
pub(crate) fn now() -> i64 {
    let own = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    own + SKEW.load(Ordering::SeqCst)
}
