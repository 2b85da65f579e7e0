//! `serve`: the Admin API alone.

use std::{fs, process::Command};

use crate::kit::{Api, Run, program, serve};

fn second(api: &Api) -> Run {
    let mut command = program();
    command
        .args(["serve", "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(api.data_dir());
    Run::of(&command.output().unwrap())
}

#[test]
fn what_was_answered_survives_kill_9() {
    let mut api = Api::start();
    for at in 0..5 {
        api.run(&format!("create key k{at}"));
        api.restart();
    }
    assert_eq!(api.ok("get keys -o name").lines().count(), 5);
}

#[test]
fn a_second_one_on_the_same_folder_is_refused() {
    let api = Api::start();
    let run = second(&api);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("another process"), "{}", run.stderr);
    assert!(run.stderr.contains("--data-dir"), "{}", run.stderr);
    api.ok("get gateways");
}

#[test]
fn a_signal_ends_it_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let (mut process, _) = serve(dir.path(), None);
        let pid = process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(process.wait().unwrap().success(), "{signal}");
    }
    // A log that was not emptied would mean that the store was not closed.
    assert!(!dir.path().join("gateway.db-wal").exists());
}

#[test]
fn an_address_for_others_needs_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .args(["serve", "--admin-listen", "0.0.0.0:0", "--data-dir"])
        .arg(dir.path());
    let run = Run::of(&command.output().unwrap());
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("AIGW_ADMIN_TOKEN"), "{}", run.stderr);
}

#[test]
fn a_damaged_store_is_served_from_the_last_good_configuration_and_takes_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let terminate = |mut process: std::process::Child| {
        let pid = process.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        process.wait().unwrap();
    };
    let run = |url: &str, line: &str| {
        let arguments = line.split(' ').chain(["--server", url]);
        Run::of(&program().args(arguments).output().unwrap())
    };
    let (process, url) = serve(&data_dir, None);
    assert_eq!(run(&url, "create gateway main").code, 0);
    terminate(process);
    fs::write(data_dir.join("gateway.db"), "garbage".repeat(10_000)).unwrap();

    let (process, url) = serve(&data_dir, None);
    let read = run(&url, "get gateways -o name");
    let written = run(&url, "create gateway other");
    terminate(process);
    assert_eq!(
        (read.code, read.stdout.as_str()),
        (0, "gateway/main\n"),
        "{}",
        read.stderr
    );
    assert_eq!(written.code, 1);
    assert!(
        written.stderr.contains("nothing can be changed"),
        "{}",
        written.stderr
    );
}
