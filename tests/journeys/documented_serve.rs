//! `docs/serve.md` and what `countersign serve` accepts and answers: each has everything that the other has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::command_line::own_options;
use crate::support::documents::{Page, code};
use crate::support::faults::faulty;
use crate::support::parts::root;
use crate::support::running::eventually;
use crate::support::server::Server;
use crate::support::serving::{Answer, ROLES, Serving, TOKEN, TTL};

/// The code that decides what is answered.
const ROUTES: &str = "src/serving/answers.rs";

fn page() -> Page {
    Page::read("docs/serve.md")
}

#[test]
fn the_page_about_serve_names_its_options_and_their_defaults_and_no_others() {
    let page = page();
    let rows = page.rows("option");
    let documented = rows.iter().flat_map(|row| code(&row[0]).into_iter().map(|option| (option, &row[1])));
    let name = |option: String| option.split(' ').next().unwrap_or_default().to_owned();
    let documented: BTreeMap<String, String> =
        documented.map(|(option, default)| (name(option), default.clone())).collect();
    let mut real: BTreeMap<String, String> = own_options("serve")
        .into_iter()
        .map(|option| (option.name, option.default.unwrap_or_default()))
        .collect();
    // The help page shows it as another name of --private-key.
    real.insert("--key".into(), String::new());
    assert_eq!(documented, real);
}

#[test]
fn the_page_about_serve_names_the_keys_of_a_role_and_no_others() {
    let server = Server::new();
    server.desk.write("serve.toml", b"[[role]]\nname = \"demo\"\nno-such-key = 1\n");
    let refused = server.run("serve", &["--port", "0", "--config", "serve.toml"]).go().exits(7).stderr();
    let (_, keys) = refused.split_once("expected one of ").expect("the keys are named");
    let rows = page().rows("key");
    let documented: BTreeSet<String> = rows.iter().flat_map(|row| code(&row[0])).collect();
    assert_eq!(documented, code(keys.lines().next().unwrap()).into_iter().collect());
}

#[test]
fn the_page_about_serve_names_every_request_that_is_answered_and_what_it_needs() {
    let page = page();
    let rows = page.rows("request");
    let requests: Vec<(String, &String)> =
        rows.iter().map(|row| (code(&row[0]).remove(0), &row[1])).collect();
    let path = |request: &str| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        path.trim_end_matches("ROLE").trim_end_matches('/').to_owned()
    };
    let documented: BTreeSet<String> = requests.iter().map(|(request, _)| path(request)).collect();
    let source = fs::read_to_string(root().join(ROUTES)).unwrap();
    let literals =
        source.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/') && text.len() > 1);
    assert_eq!(documented, literals.map(|text| text.trim_end_matches('/').to_owned()).collect());

    let server = Server::new();
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let (token, authorization) = (serving.token("60"), container_token(&server, &serving));
    let all = [(TTL, "60"), (TOKEN, &token), ("Authorization", &authorization)];
    for (request, needs) in requests {
        let (method, path) = request.split_once(' ').unwrap();
        let path = path.replace("ROLE", "demo");
        let answer = serving.ask(method, &path, &all).is(200);
        if path.ends_with("/token") {
            serving.running.hides(&answer.body);
        }
        serving.ask(method, &format!("{path}/"), &all).is(200);
        // Without a requirement that the page names, and with only the requirements.
        let needed: Vec<_> = all
            .iter()
            .copied()
            .filter(|(name, _)| {
                needs.contains(&format!("`{name}`")) || (needs == "the same" && *name == TOKEN)
            })
            .collect();
        assert_eq!(needed.len(), usize::from(!needs.is_empty()), "{request} needs {needs:?}");
        serving.ask(method, &path, &needed).is(200);
        assert_eq!(serving.ask(method, &path, &[]).status == 200, needed.is_empty(), "{request}");
    }
    serving.stop();
}

#[test]
fn the_page_about_serve_names_every_status_that_is_answered_and_no_other() {
    let documented: BTreeSet<u16> =
        page().rows("status").iter().map(|row| row[0].parse().expect("a number")).collect();
    let source = fs::read_to_string(root().join(ROUTES)).unwrap();
    let in_source = (100..600).filter(|code| {
        let reason = StatusCode::from_u16(*code).ok().and_then(|status| status.canonical_reason());
        reason.is_some_and(|reason| source.contains(&format!("StatusCode::{}", constant(reason))))
    });
    let in_source: BTreeSet<u16> = in_source.collect();
    assert!(in_source.is_subset(&documented), "{in_source:?} in {ROUTES}, documented are {documented:?}");

    let server = Server::new();
    let (serving, _) = without_credentials(&server);
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    let token = serving.token("60");
    let answers: [Answer; 9] = [
        serving.ask("GET", ROLES, &[(TOKEN, &token)]),
        serving.ask("PUT", "/latest/api/token", &[]),
        serving.ask("GET", ROLES, &[]),
        serving.ask("GET", "/health", &[("X-Forwarded-For", "10.0.0.1")]),
        serving.ask("GET", "/", &[]),
        serving.ask("POST", "/health", &[]),
        serving.ask("GET", &format!("/{}", "a".repeat(70_000)), &[]),
        serving.ask("GET", "/health", &many),
        serving.ask("GET", "/health", &[]),
    ];
    assert_eq!(answers.map(|answer| answer.status).into_iter().collect::<BTreeSet<_>>(), documented);
    serving.stop();
}

#[test]
fn the_page_about_serve_names_every_member_of_its_documents_and_no_other() {
    let server = Server::new();
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let authorization = container_token(&server, &serving);
    let metadata = serving.credentials("demo").is(200).json();
    let container = serving.ask("GET", "/creds/demo", &[("Authorization", &authorization)]).is(200).json();
    let (_, idle) = serving.health();
    serving.stop();
    let (serving, waiting) = without_credentials(&server);
    let refused = serving.credentials("demo").is(503).json();
    let (_, without) = serving.health();
    serving.stop();

    let page = page();
    let examples = page.parts().iter().filter(|part| !part.examples().is_empty());
    let mut problems: Vec<String> =
        examples.flat_map(|part| page.compare_examples(&part.heading, std::slice::from_ref(&idle))).collect();
    for (heading, documents) in [
        ("Credentials from the metadata service", vec![metadata]),
        ("Container credentials", vec![container]),
        ("No credentials", vec![refused]),
        ("GET /health", vec![idle, waiting, without]),
    ] {
        problems.extend(page.compare_members(heading, &documents));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A service whose first credentials have expired while a device does not answer; and its state while it
/// waited for the device.
fn without_credentials(server: &Server) -> (Serving<'_>, Value) {
    server.aws.settings(json!({"lifetime": 4}));
    let run = server.run("serve", &["--port", "0"]);
    let serving = Serving::of(server, faulty(server, run, "C_Sign:2=delay:20000"));
    let waiting = eventually("the renewal waits for the device", || {
        Some(serving.health().1).filter(|health| !health["waits_for"].is_null())
    });
    eventually("the credentials end", || (serving.health().0 == 503).then_some(()));
    (serving, waiting)
}

fn container_token(server: &Server, serving: &Serving<'_>) -> String {
    let token = fs::read_to_string(server.desk.path("token")).unwrap();
    serving.running.hides(&token);
    token
}

/// `Not Found` under hyper's name in code.
fn constant(reason: &str) -> String {
    reason.to_uppercase().replace([' ', '-'], "_")
}
