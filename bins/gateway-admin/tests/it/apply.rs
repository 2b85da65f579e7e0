//! `apply`: files become objects.

use crate::kit::{Api, cells};

const FILE: &str = "\
kind: rule
name: all
path: /v1/*
service: chat
---
kind: service
name: chat
type: upstream
upstream: chat
---
kind: upstream
spec:
  name: chat
  targets:
    - name: a
      provider: openai
      credentials: {header_name: Authorization, header_value: \"${env:OPENAI_KEY}\"}
";

#[test]
fn applying_twice_creates_and_then_changes_nothing() {
    let api = Api::start();
    let file = api.file("all.yaml", FILE);
    let line = format!("apply -f {file}");
    assert_eq!(
        api.ok(&line),
        "upstream/chat created\nservice/chat created\nrule/all created\n"
    );
    assert_eq!(
        api.ok(&line),
        "upstream/chat unchanged\nservice/chat unchanged\nrule/all unchanged\n"
    );
    let changed = api.file("all.yaml", &FILE.replace("/v1/*", "/v2/*"));
    assert_eq!(
        api.ok(&format!("apply -f {changed}")),
        "upstream/chat unchanged\nservice/chat unchanged\nrule/all configured\n"
    );
    assert_eq!(cells(&api.ok("get rules"))[1][1], "/v2/*");
}

#[test]
fn what_get_prints_can_be_applied_again() {
    let api = Api::start();
    let file = api.file("all.yaml", FILE);
    api.ok(&format!("apply -f {file}"));
    let shown = api.ok("get upstream chat -o yaml");
    let run = api.run_with("apply -f -", &[], &format!("kind: upstream\n{shown}"));
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "upstream/chat unchanged\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_folder_means_its_yaml_and_json_files() {
    let api = Api::start();
    api.file("conf/2.yml", "kind: key\nname: second\n");
    api.file(
        "conf/1.json",
        "{\"kind\": \"keys\", \"spec\": {\"name\": \"first\"}}",
    );
    api.file("conf/notes.txt", "not for the gateway");
    let folder = api.file("conf/3.yaml", "# nothing in here\n");
    let folder = folder.strip_suffix("/3.yaml").unwrap();
    let run = api.run(&format!("apply -f {folder}"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    // Each key is shown this once, below its line.
    assert_eq!(
        (lines[0], lines[2]),
        ("key/first created", "key/second created")
    );
    assert!(
        lines[1].starts_with("  its key, shown this once: "),
        "{}",
        run.stdout
    );
}

#[test]
fn one_document_at_fault_keeps_none_of_the_others_away() {
    let api = Api::start();
    let file = api.file(
        "mixed.yaml",
        "kind: upstream\nname: bad\ntargets: [{provider: openai, wieght: 3}]\n---\nkind: key\nname: good\n",
    );
    let run = api.run(&format!("apply -f {file} -o name"));
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(run.stdout, "key/good\n");
    assert!(
        run.stderr
            .contains("mixed.yaml, document 1: not valid (422)\n  /targets/0/wieght: "),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("did you mean weight?"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("1 of 2 failed"), "{}", run.stderr);
}

#[test]
fn a_file_that_cannot_be_read_changes_nothing() {
    let api = Api::start();
    let good = api.file("good.yaml", "kind: key\nname: good\n");
    let bad = api.file("bad.yaml", "kind: key\nname: [\n");
    let error = api.fails(&format!("apply -f {good} -f {bad}"), 3);
    assert!(error.contains("bad.yaml: "), "{error}");
    api.fails(&format!("apply -f {good} -f /no/such/file"), 1);
    assert_eq!(api.ok("get keys -o name"), "");
}

#[test]
fn a_document_says_which_gateway_it_is_for() {
    let api = Api::start();
    api.ok("create gateway other");
    let file = api.file("key.yaml", "kind: key\ngateway: other\nname: app\n");
    assert_eq!(
        api.run(&format!("apply -f {file} -o name")).stdout,
        "key/app\n"
    );
    assert_eq!(api.ok("get keys -o name --gateway other"), "key/app\n");
    assert_eq!(api.ok("get keys -o name --gateway main"), "");
}
