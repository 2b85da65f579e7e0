//! What goes wrong: said on standard error, with an exit code.

use crate::kit::{Api, Run, program, serve};

#[test]
fn a_refused_document_shows_every_fault_with_its_place_and_a_hint() {
    let api = Api::start();
    let file = api.file(
        "bad.yaml",
        "name: x\nalgoritm: weighted\ntargets:\n  - {provider: opneai, weight: 101}\n",
    );
    let error = api.fails(&format!("create upstream -f {file}"), 3);
    for part in [
        "error: not valid (422)\n",
        "  /algoritm: ",
        "did you mean algorithm?",
        "  /targets/0/provider: ",
        "did you mean openai?",
        "  /targets/0/weight: ",
    ] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let api = Api::start();
    api.run("create key a");
    let target = "targets=[{\"provider\":\"openai\"}]";
    api.ok(&format!("create upstream u -s {target}"));
    api.ok("create service s -s type=upstream -s upstream=u");
    for (line, code, message) in [
        ("frobnicate", 2, "unrecognized subcommand"),
        ("get pods", 2, "use one of gateways"),
        ("get target nameless", 6, "no upstream named nameless"),
        ("describe target nameless", 2, "UPSTREAM/TARGET"),
        ("create service x -s type=upstream", 3, "not valid"),
        ("create key a", 5, "taken"),
        (
            "delete upstream u",
            5,
            "upstream is being used by 1 service: s",
        ),
        ("get upstream nope", 6, "no upstream named nope"),
        ("health nope", 6, "no upstream named nope"),
        ("drain u/nope", 6, "no target named nope"),
    ] {
        let error = api.fails(line, code);
        assert!(error.contains(message), "{line}: {error}");
    }
}

#[test]
fn nobody_at_the_address_is_told_with_the_address() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let run = Run::of(
        &program()
            .args(["get", "upstreams", "--server", &url])
            .output()
            .unwrap(),
    );
    assert_eq!((run.code, run.stdout.as_str()), (4, ""));
    assert!(run.stderr.contains(&url), "{}", run.stderr);
    assert!(
        run.stderr.contains("is gateway-server running?"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let arguments = ["get", "keys", "--server", &url, "--timeout", "1"];
    let run = Run::of(&program().args(arguments).output().unwrap());
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("within 1 s"), "{}", run.stderr);
}

#[test]
fn a_token_opens_and_no_other_does() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, url) = serve(&dir.path().join("data"), Some("s3cret"));
    let file = dir.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let run = |name: &str, value: &str| {
        let mut command = program();
        command
            .args(["get", "gateways", "--server", &url])
            .env(name, value);
        Run::of(&command.output().unwrap())
    };
    let denied = [run("NOTHING", ""), run("AIGW_ADMIN_TOKEN", "wrong")];
    let allowed = [
        run("AIGW_ADMIN_TOKEN", "s3cret"),
        run("AIGW_ADMIN_TOKEN_FILE", file.to_str().unwrap()),
    ];
    process.kill().unwrap();
    process.wait().unwrap();
    for run in denied {
        assert_eq!(run.code, 7, "{}", run.stderr);
        assert!(run.stderr.contains("token"), "{}", run.stderr);
    }
    for run in allowed {
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
}

#[test]
fn with_several_gateways_one_must_be_chosen() {
    let api = Api::empty();
    let none = api.fails("get keys", 2);
    assert!(none.contains("create gateway"), "{none}");
    api.ok("create gateway a");
    api.ok("get keys -o json");
    api.ok("create gateway b");
    let several = api.fails("get keys", 2);
    assert!(
        several.contains("--gateway") && several.contains("(a, b)"),
        "{several}"
    );
    api.ok("get keys -o json --gateway b");
    assert_eq!(
        api.run_with("get keys", &[("AIGW_GATEWAY", "a")], "").code,
        0
    );
    api.fails("get keys --gateway c", 6);
}

#[test]
fn help_explains_each_command_with_an_example() {
    for command in [
        "get", "describe", "create", "apply", "delete", "health", "drain", "enable", "disable",
        "serve",
    ] {
        let run = Run::of(&program().args([command, "--help"]).output().unwrap());
        assert_eq!(run.code, 0);
        assert!(
            run.stdout.contains(&format!("  gateway-admin {command}"))
                || run.stdout.contains("gateway-admin apply -f -"),
            "{}",
            run.stdout
        );
        assert!(run.stdout.contains("Example"), "{}", run.stdout);
    }
}
