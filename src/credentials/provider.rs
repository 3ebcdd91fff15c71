//! Obtaining credentials: one login and one signature for each request, at most three requests, and a time
//! limit.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::certificate::CertificateChain;
use super::clock::Clock;
use super::event::{Event, Observer};
use super::jitter;
use super::rehearsal::Rehearsal;
use super::request::CredentialRequest;
use crate::device::{
    AccessEvent, DeviceAccess, Exportability, KeyRequest, Policy, SigningKey, close_devices,
};
use crate::error::{Error, Exit};
use crate::pin::{PinSource, terminal};
use crate::rolesanywhere::{
    Client, ClientError, Credentials, Request, ResponseError, RoleArn, SignedRequest,
};
use crate::signature::{Mechanism, Payload};

/// Each attempt gets a new signature.
const MAX_ATTEMPTS: u32 = 3;
/// Before the second attempt; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(400);
/// The pause is longer by a random time up to this.
const PAUSE_SPREAD: Duration = Duration::from_millis(255);
/// From the request for credentials to AWS's last answer. SDKs end a credential process after about a minute,
/// and processes that wait for this one need time of their own.
pub(super) const DEADLINE: Duration = Duration::from_secs(45);
/// The least time for AWS, even if finding and unlocking the device took long, as when somebody has to type a
/// PIN.
const AT_LEAST_FOR_AWS: Duration = Duration::from_secs(15);
/// In seconds. AWS accepts five minutes, so a clock that differs by less did not cause a refusal.
const CLOCK_TOLERANCE: i64 = 240;

/// In seconds. AWS's credentials live for twelve hours at most; a date by which they live longer is wrong.
const LONGEST_LIFE: i64 = 43_200 + 300;

/// Obtains the credentials of one request, as often as needed.
pub struct Provider<'a> {
    request: CredentialRequest,
    access: DeviceAccess,
    clock: Arc<Clock>,
    client: Client,
    observer: Observer<'a>,
}

/// A key, ready to sign, and the certificate that goes with its signature.
struct Signer {
    key: SigningKey,
    chain: CertificateChain,
}

/// A signature that was verified with the key's public key.
struct Signature {
    bytes: Vec<u8>,
    mechanism: Mechanism,
}

impl<'a> Provider<'a> {
    /// A provider that reports to `observer` what happens.
    ///
    /// # Errors
    /// [`ClientError::Proxy`].
    pub fn new(
        request: CredentialRequest,
        access: DeviceAccess,
        clock: Arc<Clock>,
        observer: Observer<'a>,
    ) -> Result<Self, ClientError> {
        let client = Client::new(&request.client)?;
        if request.client.trust_any_server {
            observer(Event::AnyServerIsTrusted);
        }
        request.client.skipped_roots.iter().for_each(|skipped| observer(Event::RootSkipped(skipped)));
        Ok(Provider { request, access, clock, client, observer })
    }

    /// The requested role.
    pub fn role(&self) -> &RoleArn {
        self.request.session.role()
    }

    /// The clock that decides when credentials expire.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Whether the PIN comes from a person at a terminal.
    pub fn asks_a_person(&self) -> bool {
        let source = self.access.login.source_for(&self.request.key);
        source.is_ok_and(|source| source.is_person()) && terminal::is_there()
    }

    /// Whether the PIN's file holds another PIN than those that were refused.
    pub fn has_new_pin(&self) -> bool {
        self.access.login.has_new_pin(&self.request.key)
    }

    /// Whether the PIN comes from a file that was written after `time`.
    pub(super) fn pin_file_changed_since(&self, time: SystemTime) -> bool {
        let Ok(PinSource::File(path)) = self.access.login.source_for(&self.request.key) else { return false };
        path.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified > time)
    }

    /// Somebody requests another attempt, even with a PIN that was refused.
    pub fn forget_refused_pin(&self) {
        self.access.login.memory.forget_refused();
    }

    /// Obtains credentials, and releases the device.
    ///
    /// # Errors
    /// The key, its certificate or the device cannot be used, the PIN is missing or wrong, or AWS cannot be
    /// reached or refuses.
    pub fn credentials(&mut self) -> Result<Credentials, Error> {
        self.credentials_by(Instant::now() + DEADLINE)
    }

    /// The same after waiting for another process: AWS is asked at most until `deadline`.
    pub(super) fn credentials_by(&mut self, deadline: Instant) -> Result<Credentials, Error> {
        let result = self.obtain(deadline);
        if result.as_ref().is_err_and(|error| error.exit() == Exit::Pin) {
            self.access.login.pass_over_pin(&self.request.key);
        }
        close_devices();
        result
    }

    /// Does everything except sending.
    ///
    /// # Errors
    /// As [`Provider::credentials`], except for AWS's answers.
    pub fn rehearse(&mut self) -> Result<Rehearsal, Error> {
        let mut signer = self.signer()?;
        let request = self.unsigned(&signer.chain)?;
        let payload = request.payload();
        let mechanisms = Mechanism::for_payload(&payload, signer.key.public_key());
        let signature = self.sign_payload(&mut signer.key, &payload, &mechanisms)?;
        let Signer { key, chain } = &signer;
        Ok(Rehearsal {
            module: key.device().module_path().display().to_string(),
            device: key.device().describe(),
            key: key.uri().to_owned(),
            certificate: chain.leaf.subject(),
            serial: chain.leaf.serial_decimal(),
            valid_until: chain.leaf.last_day(),
            chain: chain.above.iter().map(|above| above.subject()).collect(),
            endpoint: self.request.endpoint.to_string(),
            mechanism: signature.mechanism.ckm_name(),
            signature_bytes: signature.bytes.len(),
            canonical_request: request.canonical_request(),
            string_to_sign: request.string_to_sign(),
        })
    }

    fn obtain(&mut self, deadline: Instant) -> Result<Credentials, Error> {
        let mut signer = self.signer()?;
        let deadline = deadline.max(Instant::now() + AT_LEAST_FOR_AWS);
        let (mut attempts, mut clock_was_wrong) = (0, false);
        loop {
            let request = self.signed(&mut signer)?;
            attempts += 1;
            match self.send(&request, deadline) {
                Ok(credentials) => return Ok(credentials),
                Err(Failure { clock_ahead: Some(ahead), .. })
                    if !clock_was_wrong && self.clock.is_ahead_by(ahead) =>
                {
                    clock_was_wrong = true;
                    (self.observer)(Event::ClockIsOff { ahead });
                }
                Err(Failure { error, may_pass: true, .. }) if attempts < MAX_ATTEMPTS => {
                    let pause = PAUSE * 2_u32.pow(attempts - 1) + jitter::up_to(PAUSE_SPREAD);
                    if Instant::now() + pause >= deadline {
                        return Err(error);
                    }
                    (self.observer)(Event::AttemptFailed { attempts, error: &error, pause });
                    thread::sleep(pause);
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// Finds key and certificate and logs in. What AWS would refuse is detected before the PIN is used, if
    /// the device shows enough.
    fn signer(&mut self) -> Result<Signer, Error> {
        let observer = self.observer;
        let on_the_way = |event: AccessEvent<'_>| observer(Event::Device(event));
        // `aws_signing_helper`, which this replaces, has no rule either.
        let wanted = KeyRequest {
            uris: vec![self.request.key.clone()],
            policy: Policy::ANY_KEY,
            certificate: self.request.certificate.named()?,
        };
        let mut chosen = self.access.choose(&wanted, &on_the_way)?;
        let candidates = self.request.certificate.read(&chosen)?;
        chosen.prefer(candidates.public_keys());
        candidates.check_shown(chosen.public_key(), SystemTime::now())?;
        chosen.check_shown(Policy::ANY_KEY)?;
        let key = self.access.log_in(chosen, &on_the_way)?.signing_key(Policy::ANY_KEY)?;
        observer(Event::KeyOpened(&key));
        if key.facts().exportability() == Exportability::CanLeave {
            observer(Event::KeyCanLeave);
        }
        let candidates = self.request.certificate.read_after_login(candidates, &key)?;
        let now = SystemTime::now();
        let chain = candidates.chain_of_key(Some(key.public_key()), now)?;
        for certificate in chain.not_valid(now) {
            observer(Event::ChainIsNotValid { certificate });
        }
        for (certificate, left) in chain.ending_soon(now) {
            observer(Event::CertificateEndsSoon { certificate, left });
        }
        Ok(Signer { key, chain })
    }

    fn unsigned(&self, chain: &CertificateChain) -> Result<Request, Error> {
        let time = self.clock.signing_time()?;
        let CredentialRequest { session, endpoint, region, .. } = &self.request;
        Ok(Request::new(session, endpoint, region, &chain.identity()?, time))
    }

    fn signed(&self, signer: &mut Signer) -> Result<SignedRequest, Error> {
        let request = self.unsigned(&signer.chain)?;
        let payload = request.payload();
        let mechanisms = Mechanism::for_payload(&payload, signer.key.public_key());
        signer.key.check_allowed(&mechanisms)?;
        let Signature { bytes, mechanism } = self.sign_payload(&mut signer.key, &payload, &mechanisms)?;
        (self.observer)(Event::Signed { request: &request, mechanism, bytes: bytes.len() });
        Ok(request.sign_with(&bytes))
    }

    fn sign_payload(
        &self,
        key: &mut SigningKey,
        payload: &Payload,
        mechanisms: &[Mechanism],
    ) -> Result<Signature, Error> {
        (self.observer)(Event::SigningBegins);
        let signed = key.sign(payload, mechanisms);
        (self.observer)(Event::SigningEnds);
        let (bytes, mechanism) = signed?;
        Ok(Signature { bytes, mechanism })
    }

    fn send(&self, request: &SignedRequest, deadline: Instant) -> Result<Credentials, Failure> {
        let answer = self.client.send(request, self.clock.own(), deadline).map_err(Failure::unreachable)?;
        (self.observer)(Event::Answered {
            method: request.method,
            host: self.request.endpoint.host_header(),
            answer: &answer,
        });
        if let (Ok(credentials), Some(date)) = (&answer.result, answer.date)
            && (1..=LONGEST_LIFE).contains(&(credentials.expiration().unix_seconds() - date))
        {
            self.clock.heard(date, answer.arrived.elapsed());
        }
        answer.result.map_err(Failure::refused)
    }
}

/// An attempt that failed.
struct Failure {
    error: Error,
    may_pass: bool,
    /// By how many seconds this computer's clock is ahead, if that is the reason.
    clock_ahead: Option<i64>,
}

impl Failure {
    fn unreachable(error: ClientError) -> Self {
        let error = Error::from(error);
        Failure { may_pass: error.may_pass(), error, clock_ahead: None }
    }

    fn refused(error: ResponseError) -> Self {
        let clock_ahead = match &error {
            ResponseError::Refused(refusal) if refusal.is_about_time() => {
                refusal.clock_ahead.filter(|ahead| ahead.abs() >= CLOCK_TOLERANCE)
            }
            _ => None,
        };
        let error = Error::from(error);
        Failure { may_pass: error.may_pass(), error, clock_ahead }
    }
}
