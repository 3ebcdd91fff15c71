//! `countersign serve` and the requests that it may get: who is answered, and who is not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::leaks::Secrets;
use crate::support::roles_anywhere::{PROFILE, TRUST_ANCHOR};
use crate::support::server::Server;
use crate::support::serving::{ROLES, Serving, TOKEN, TTL, ask};

#[test]
fn tokens_last_as_long_as_requested_and_nothing_is_answered_without_one() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    for seconds in ["1", "60", "21600"] {
        serving.token(seconds);
    }
    for seconds in ["0", "21601", "-1", "", "a", "1.5", "99999999999999999999"] {
        let answer = serving.ask("PUT", "/latest/api/token", &[(TTL, seconds)]).is(400);
        assert!(answer.body.contains("1 to 21600"), "{}", answer.body);
    }
    serving.ask("PUT", "/latest/api/token", &[]).is(400);
    assert_ne!(serving.token("60"), serving.token("60"));

    let short = serving.token("1");
    let path = format!("{ROLES}/demo");
    serving.ask("GET", &path, &[(TOKEN, &short)]).is(200);
    for token in ["", "wrong", &short[1..], &format!("{short}A")] {
        serving.ask("GET", &path, &[(TOKEN, token)]).is(401);
    }
    for path in [ROLES.to_owned(), format!("{ROLES}/"), path.clone(), format!("{ROLES}/other")] {
        serving.ask("GET", &path, &[]).is(401);
    }
    std::thread::sleep(Duration::from_millis(1100));
    serving.ask("GET", &path, &[(TOKEN, &short)]).is(401);
    serving.stop();
}

#[test]
fn no_flood_of_tokens_invalidates_anybody_elses() {
    const FLOOD: usize = 12_000;
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let token = serving.token("60");
    let path = format!("{ROLES}/demo");
    // The longest possible life, so that every other token expires first.
    let asked =
        format!("PUT /latest/api/token HTTP/1.1\r\nHost: {}\r\n{TTL}: 21600\r\n\r\n", serving.address);
    let ended = asked.replacen("Host", "Connection: close\r\nHost", 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = TcpStream::connect(serving.address).unwrap();
                let mut reader = connection.try_clone().unwrap();
                let given = scope.spawn(move || {
                    let mut answers = String::new();
                    reader.read_to_string(&mut answers).unwrap();
                    answers.matches("HTTP/1.1 200 OK").count()
                });
                let requests = asked.repeat(FLOOD / 4 - 1) + &ended;
                connection.write_all(requests.as_bytes()).unwrap();
                assert_eq!(given.join().unwrap(), FLOOD / 4);
            });
        }
    });
    serving.ask("GET", &path, &[(TOKEN, &token)]).is(200);
    serving.stop();
}

#[test]
fn paths_lead_to_the_same_with_and_without_a_slash_and_others_lead_nowhere() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let token = serving.token("60");
    let get = |path: &str| serving.ask("GET", path, &[(TOKEN, &token)]);
    for path in [ROLES.to_owned(), format!("{ROLES}/")] {
        assert_eq!(get(&path).is(200).body, "demo");
    }
    for path in [format!("{ROLES}/demo"), format!("{ROLES}/demo/")] {
        let answer = get(&path).is(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json()["AccessKeyId"], json!(server.aws.access_keys()[0]));
    }
    serving.ask("PUT", "/latest/api/token/", &[(TTL, "60")]).is(200);
    for path in ["/", "/latest/meta-data", "/latest/meta-data/instance-id", "//", "/creds/demo"] {
        get(path).is(404);
    }
    for name in ["other", "dem", "demo2", "DEMO", "demo/x", "%64emo", "..", "%2e%2e"] {
        get(&format!("{ROLES}/{name}")).is(404);
    }
    get(&format!("{ROLES}demo")).is(404);
    for (method, path) in [
        ("POST", "/latest/api/token"),
        ("GET", "/latest/api/token"),
        ("PUT", ROLES),
        ("POST", ROLES),
        ("POST", "/health"),
    ] {
        let status = serving.ask(method, path, &[(TOKEN, &token), (TTL, "60")]).status;
        assert!([404, 405].contains(&status), "{method} {path}: {status}");
    }
    for method in ["PUT", "POST", "DELETE"] {
        let answer = serving.ask(method, &format!("{ROLES}/demo"), &[(TOKEN, &token)]);
        assert!([404, 405].contains(&answer.status), "{method}: {}", answer.body);
    }
    serving.stop();
}

#[test]
fn what_was_forwarded_or_names_another_host_is_refused() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let port = serving.address.port();
    let token = |headers: &[(&str, &str)]| {
        let answer = serving.ask("PUT", "/latest/api/token", &[headers, &[(TTL, "60")]].concat());
        if answer.status == 200 {
            serving.running.hides(&answer.body);
        }
        answer.status
    };
    for host in [
        format!("127.0.0.1:{port}"),
        "127.0.0.1".into(),
        format!("localhost:{port}"),
        "LocalHost".into(),
        format!("[::1]:{port}"),
        "169.254.169.254".into(),
        "169.254.170.2".into(),
        // A forwarded port: `-p 9912:9911`, `ssh -L`.
        "127.0.0.1:1".into(),
        "localhost:9912".into(),
    ] {
        assert_eq!(token(&[("Host", &host)]), 200, "{host}");
    }
    for host in [
        "attacker.example".into(),
        format!("attacker.example:{port}"),
        format!("127.0.0.1.attacker.example:{port}"),
        format!("localhost.attacker.example:{port}"),
        "10.0.0.1".into(),
        "".to_owned(),
    ] {
        let status = token(&[("Host", &host)]);
        assert!([400, 403].contains(&status), "{host}: {status}");
    }
    for name in ["X-Forwarded-For", "x-forwarded-for", "Forwarded", "Via"] {
        assert_eq!(token(&[(name, "127.0.0.1")]), 403);
    }
    assert_eq!(token(&[("X-Forwarded-For", "")]), 403);
    for (name, value) in
        [("Forwarded", "for=127.0.0.1"), ("Via", "1.1 proxy"), ("forwarded", ""), ("via", "")]
    {
        assert_eq!(token(&[(name, value)]), 403, "{name}");
    }
    // A target in absolute form names the host, whatever the header says.
    let absolute = |host: &str| {
        let path = format!("http://{host}/latest/api/token");
        let answer = serving.ask("PUT", &path, &[(TTL, "60")]);
        if answer.status == 200 {
            serving.running.hides(&answer.body);
        }
        answer.status
    };
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        assert_eq!(absolute(&host), 200, "{host}");
    }
    for host in
        [format!("attacker.example:{port}"), "attacker.example".into(), format!("a@attacker.example:{port}")]
    {
        assert_eq!(absolute(&host), 403, "{host}");
    }
    assert_eq!(serving.ask("GET", "/health", &[("Host", "attacker.example")]).status, 403);
    // Each reason is reported once, with what to do.
    let said = serving.stop();
    let times = |text: &str| said.matches(text).count();
    assert_eq!(
        times("names the host \"attacker.example\", which is not this service's: --allow-host"),
        1,
        "{said}"
    );
    assert_eq!(times("through a proxy (header x-forwarded-for)"), 1, "{said}");
}

#[test]
fn names_that_are_allowed_and_clients_with_the_containers_token_are_answered() {
    let server = Server::new();
    let options = ["--allow-host", "creds.ns.svc", "--allow-host", "host.docker.internal"];
    let serving = Serving::start(&server, &[&options[..], &["--container-token-file", "token"]].concat());
    let authorization = std::fs::read_to_string(server.desk.path("token")).unwrap();
    serving.running.hides(&authorization);
    for host in ["creds.ns.svc:9911", "Creds.NS.svc", "host.docker.internal:80"] {
        serving.ask("GET", "/health", &[("Host", host)]).is(200);
    }
    let container = |host: &str, token: &str| {
        serving.ask("GET", "/creds/demo", &[("Host", host), ("Authorization", token)])
    };
    // A web page does not know the token.
    container("another.example", &authorization).is(200);
    let refused = container("another.example", "wrong").is(403).json();
    assert_eq!(refused["code"], "Forbidden");
    serving.stop();
}

#[test]
fn heads_that_never_end_take_hardly_any_memory() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let resident = || {
        let path = format!("/proc/{}/status", serving.running.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    let before = resident();
    // In many short headers, and in one long header.
    let heads = ["A: 1\r\n".repeat(50) + "B: ", "A: ".to_owned()];
    let connections: Vec<TcpStream> = (0..400)
        .map(|number| {
            let mut connection = TcpStream::connect(serving.address).unwrap();
            connection.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\n{}", serving.address, heads[number % 2]);
            // An oversized head is refused in the middle.
            let _ = connection.write_all((head + &"x".repeat(300_000)).as_bytes());
            connection
        })
        .collect();
    let after = resident();
    assert!(after < before + (24 << 10), "{before} KiB grew to {after} KiB for {} heads", connections.len());
    serving.ask("GET", "/health", &[]).is(200);
    serving.stop();
}

#[test]
fn an_endpoint_with_a_slash_at_its_end_leads_to_the_same() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let answer = serving.ask("PUT", "//latest/api/token", &[(TTL, "60")]).is(200);
    serving.running.hides(&answer.body);
    let token = answer.body;
    serving.ask("GET", &format!("/{ROLES}//demo"), &[(TOKEN, &token)]).is(200);
    assert!(serving.stop().contains("listening on http://127.0.0.1:"));
}

#[test]
fn programs_that_ask_where_they_are_are_told_the_region() {
    let server = Server::new();
    for region in ["eu-west-1", "us-east-2"] {
        let in_region = |arn: &str| arn.replace("eu-west-1", region);
        let (profile, anchor) = (in_region(PROFILE), in_region(TRUST_ANCHOR));
        let changed = [("--profile-arn", profile.as_str()), ("--trust-anchor-arn", anchor.as_str())];
        let serving = Serving::of(&server, server.run_but("serve", &changed, &["--port", "0"]));
        let token = serving.token("60");
        let get = |path: &str| serving.ask("GET", path, &[(TOKEN, &token)]).is(200);
        assert_eq!(get("/latest/meta-data/placement/region").body, region);
        assert_eq!(get("/latest/meta-data/placement/availability-zone").body, format!("{region}a"));
        assert_eq!(get("/latest/dynamic/instance-identity/document").json()["region"], region);
        serving.ask("GET", "/latest/meta-data/placement/region", &[]).is(401);
        serving.stop();
    }
}

#[test]
fn errors_of_the_container_endpoint_are_json() {
    let server = Server::new();
    for options in [&["--container-token-file", "token"][..], &[]] {
        let serving = Serving::start(&server, options);
        for (path, statuses) in [("/creds/demo", [401, 404]), ("/creds/other", [401, 404])] {
            let answer = serving.ask("GET", path, &[]);
            assert!(statuses.contains(&answer.status), "{}", answer.status);
            let error = answer.json();
            assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
        }
        serving.stop();
    }
}

#[test]
fn requests_are_logged_with_v_but_no_token_is() {
    let server = Server::new();
    let serving = Serving::start(&server, &["-v"]);
    let token = serving.token("60");
    let headers = [(TOKEN, token.as_str()), ("User-Agent", "Boto3/1.0 \u{7}")];
    serving.ask("GET", &format!("{ROLES}/demo?secret"), &headers);
    serving.ask("GET", "/no/such/path", &[]).is(404);
    let said = serving.stop();
    assert!(said.contains("request: PUT \"/latest/api/token\" status=200 client=127.0.0.1:"), "{said}");
    assert!(said.contains("request: GET \"/no/such/path\" status=404"), "{said}");
    assert!(!said.contains("?secret") && !said.contains('\u{7}'), "{said}");
}

#[test]
fn a_containers_token_can_be_shared_with_a_group_on_purpose() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::new();
    let mode = |name: &str| std::fs::metadata(server.desk.path(name)).unwrap().permissions().mode() & 0o7777;
    let shared = ["--container-token-file", "shared", "--container-token-mode", "0640"];
    let options = server.options_but(&[]);
    let arguments: Vec<&str> = ["serve", "--port", "0"]
        .into_iter()
        .chain(shared)
        .chain(options.iter().map(String::as_str))
        .collect();
    let run = server.desk.countersign_under(&["sh", "-c", "umask 077 && exec \"$@\"", "sh"], &arguments);
    Serving::of(&server, run.with_pin().env("AWS_CA_BUNDLE", server.aws.ca())).stop();
    assert_eq!(mode("shared"), 0o640);
    Serving::start(&server, &shared).stop();
    // Not by mistake, and never with everything open.
    let refused = |more: &[&str]| {
        server.run("serve", &[&["--port", "0", "--container-token-file", "shared"], more].concat()).go()
    };
    refused(&[]).exits(1).says("--container-token-mode 0640");
    std::fs::set_permissions(server.desk.path("shared"), std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&["--container-token-mode", "0640"]).exits(1).says("can be read by others");
    refused(&["--container-token-mode", "0644"]).exits(2);
    // A file that a full disk left empty is created again.
    server.desk.write("empty", b"");
    std::fs::set_permissions(server.desk.path("empty"), std::fs::Permissions::from_mode(0o600)).unwrap();
    Serving::start(&server, &["--container-token-file", "empty"]).stop();
    assert!(server.desk.read("empty").len() > 30);
}

#[test]
fn it_listens_on_ipv6_too() {
    let server = Server::new();
    let serving = Serving::start(&server, &["--listen", "::1", "--hop-limit", "1"]);
    assert!(serving.address.is_ipv6());
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    assert!(!serving.stop().contains("other computers"));
    let serving = Serving::start(&server, &["--listen", "0.0.0.0"]);
    let address = ([127, 0, 0, 1], serving.address.port()).into();
    assert_eq!(ask(address, "GET", "/health", &[]).status, 200);
    assert!(serving.stop().contains("can be reached from other computers"));
}

#[test]
fn its_health_report_contains_no_secret() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let (status, health) = serving.health();
    assert_eq!((status, &health["state"]), (200, &json!("ok")));
    let role = &health["roles"][0];
    let given = &server.aws.log()[0]["credential"];
    assert_eq!((&role["role"], &role["good"], &role["renewals"]), (&json!("demo"), &json!(true), &json!(1)));
    assert_eq!((&role["expiration"], &role["last_error"]), (&given["expiration"], &json!(null)));
    Secrets::of(&server).are_not_in("/health", health.to_string().as_bytes());
    serving.stop();
}

#[test]
fn silent_or_slow_clients_do_not_delay_others() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let mut slow: Vec<TcpStream> =
        (0..600).map(|_| TcpStream::connect(serving.address).expect("a connection")).collect();
    for connection in &mut slow {
        let _ = connection.write_all(b"GET /health HTTP/1.1\r\nHost: local");
    }
    // Like boto3, which gives up after a second.
    let start = Instant::now();
    assert_eq!(serving.access_key(), server.aws.access_keys()[0]);
    assert!(start.elapsed() < Duration::from_secs(1), "answered after {:?}", start.elapsed());
    for connection in &mut slow[590..] {
        let _ = connection.write_all(b"host\r\n\r\n");
    }
    // A head that never ends is not waited for.
    let mut dripping = TcpStream::connect(serving.address).unwrap();
    dripping.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let start = Instant::now();
    loop {
        let _ = dripping.write_all(b"GET ");
        match dripping.read(&mut [0; 512]) {
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            _ => break,
        }
        assert!(start.elapsed() < Duration::from_secs(15), "a head of {:?}", start.elapsed());
    }
    serving.stop();
}

#[test]
fn heads_that_are_not_requests_are_refused() {
    let server = Server::new();
    let serving = Serving::start(&server, &[]);
    let many = (0..200).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    for head in [
        "\0\u{1}\u{2}\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".into(),
        "GET http://attacker.example/health HTTP/1.1\r\nHost: attacker.example\r\n\r\n".into(),
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
        format!("GET /{} HTTP/1.1\r\n", "a".repeat(1 << 20)),
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\nConnection: close\r\n\r\n"
            .into(),
    ] {
        let mut connection = TcpStream::connect(serving.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let _ = connection.write_all(head.as_bytes());
        let _ = connection.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = connection.take(4096).read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or("400");
        assert!(status.starts_with('4'), "{}: {answer}", &head[..head.len().min(80)]);
    }
    assert_eq!(serving.health().0, 200);
    serving.stop();
}
