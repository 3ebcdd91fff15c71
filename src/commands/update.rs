//! `countersign update`: one profile of the AWS credentials file, renewed before its credentials expire.

use std::sync::Arc;

use countersign::credentials::{Clock, CredentialsFile, Event, ProfileRenewal, Renewed, Written};
use countersign::duration::in_words;
use countersign::error::Error;
use countersign::rolesanywhere::{Credentials, ProfileName};
use serde_json::json;

use super::aws;
use super::context::Context;
use crate::cli::Update;
use crate::lifecycle::LIFECYCLE;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Update, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let profile: ProfileName = arguments.profile.parse()?;
    let file = CredentialsFile::of_environment()?.in_place(arguments.in_place);
    if file.check_writable()? == Written::InPlaceOfNecessity {
        terminal.warn(&format!(
            "{} cannot be replaced, so it is written into: a program that reads meanwhile may see a part of it",
            file.path().display()
        ));
    }
    let request = aws::request(&aws::credential_options(&arguments.roles_anywhere))?;
    let clock = Arc::new(Clock::default());
    let observer = |event: Event<'_>| aws::tell(&event, context, terminal);
    let provider = aws::provider(request, context, &clock, &observer)?;
    let (mut renewal, credentials) = ProfileRenewal::start(provider, file.clone(), profile)?;
    terminal.warn_of(renewal.not_kept());
    if let Some(exposure) = file.exposure() {
        terminal.warn(&exposure);
    }
    let told = |credentials: &Credentials| {
        let until = credentials.expiration().as_str();
        terminal.say(&format!("{}: [{}] is good until {until}", file.path().display(), arguments.profile));
    };
    if arguments.once {
        told(&credentials);
        return terminal.document(&json!({
            "file": file.path().display().to_string(),
            "profile": arguments.profile,
            "expiration": credentials.expiration().as_str(),
        }));
    }
    let give_up_at = |end: i64| {
        let clock = Arc::clone(&clock);
        LIFECYCLE.give_up_when(move || clock.now() >= end);
    };
    // This comes first: anyone who is notified may send a signal at once.
    LIFECYCLE.become_service();
    told(&credentials);
    // They are in the file; nothing here needs them until the next renewal.
    drop(credentials);
    give_up_at(renewal.end());
    loop {
        let asked = LIFECYCLE.wait_for_renewal(|| renewal.remaining());
        match renewal.renew(asked)? {
            Renewed::Done(credentials) => {
                terminal.warn_of(renewal.not_kept());
                told(&credentials);
                give_up_at(renewal.end());
            }
            Renewed::NotYet { error, next, valid_for } => terminal.log(&format!(
                "not renewed, next attempt {}, good for {} more: {error}",
                aws::next_attempt(next),
                in_words(valid_for)
            )),
        }
    }
}
