//! Objects: created, shown, changed and deleted.

use serde_json::json;

use crate::kit::{Api, SEED, cells};

fn with_seed() -> Api {
    let api = Api::start();
    let file = api.file("seed.json", SEED);
    assert_eq!(
        api.ok(&format!("create upstream -f {file}")),
        "upstream/ai-providers-upstream created\n"
    );
    api
}

#[test]
fn the_guides_upstream_is_created_and_shown_in_every_form() {
    let api = with_seed();
    assert_eq!(
        cells(&api.ok("get upstreams")),
        [
            vec!["NAME", "ALGORITHM", "TARGETS", "MODEL FALLBACK"],
            vec![
                "ai-providers-upstream",
                "round-robin",
                "openai-0,anthropic-1",
                "-"
            ],
        ]
    );
    let wide = cells(&api.ok("get up ai-providers-upstream -o wide"));
    assert_eq!(wide[0][4..], ["REVISION", "UPDATED", "ID"]);
    assert_eq!(
        api.ok("get upstreams -o name"),
        "upstream/ai-providers-upstream\n"
    );

    let one = api.json("get upstream ai-providers-upstream");
    assert_eq!(one["targets"][0]["credentials"]["header_value"], "***");
    assert_eq!(api.json("get upstreams"), json!({ "items": [one] }));
    let yaml = api.ok("get upstream ai-providers-upstream -o yaml");
    let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read, one);
    let everything = format!("{one}{yaml}");
    assert!(!everything.contains("your-openai-key"), "{everything}");
}

#[test]
fn what_is_piped_holds_no_colours() {
    let api = with_seed();
    for line in [
        "get targets",
        "health -o wide",
        "describe upstream ai-providers-upstream",
    ] {
        assert!(!api.ok(line).contains('\x1b'), "{line}");
    }
}

#[test]
fn targets_are_listed_by_upstream_and_by_name() {
    let api = with_seed();
    let names = "target/ai-providers-upstream/anthropic-1\ntarget/ai-providers-upstream/openai-0\n";
    for line in ["get targets", "get targets ai-providers-upstream"] {
        let mut listed: Vec<String> = api
            .ok(&format!("{line} -o name"))
            .lines()
            .map(str::to_owned)
            .collect();
        listed.sort();
        assert_eq!(listed.join("\n") + "\n", names, "{line}");
    }
    let one = api.json("get target ai-providers-upstream/openai-0");
    assert_eq!(one["provider"], "openai");

    api.ok("create target ai-providers-upstream/spare -s provider=openai -s priority=2");
    let spare = api.json("get target ai-providers-upstream/spare");
    assert_eq!(
        (&spare["priority"], &spare["weight"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        api.ok("delete target ai-providers-upstream/spare"),
        "target/ai-providers-upstream/spare deleted\n"
    );
    api.fails("get target ai-providers-upstream/spare", 6);
}

#[test]
fn describe_shows_an_upstream_with_its_targets_and_their_health() {
    let api = with_seed();
    let text = api.ok("describe upstream ai-providers-upstream");
    assert!(
        text.starts_with("Name         ai-providers-upstream\n"),
        "{text}"
    );
    for part in [
        "\nTargets\n  NAME",
        "\nHealth checks\n  passive: true",
        "\nHealth\n  TARGET",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let target = api.ok("describe target ai-providers-upstream/openai-0");
    assert_eq!(target.matches("anthropic").count(), 0, "{target}");
}

#[test]
fn the_way_from_an_upstream_to_a_key_takes_four_commands() {
    let api = with_seed();
    api.ok("create service chat -s type=upstream -s upstream=ai-providers-upstream");
    api.ok("create rule all -s path=/v1/* -s service=chat");
    let made = api.run("create key my-app");
    assert_eq!(made.code, 0, "{}", made.stderr);
    // The key alone stands on standard output, once and for all.
    let key = made.stdout.trim_end();
    assert!(
        key.len() > 20 && !key.contains(char::is_whitespace),
        "{key:?}"
    );
    assert!(
        made.stderr.contains("key/my-app created"),
        "{}",
        made.stderr
    );
    assert!(!api.ok("get keys -o yaml").contains(key));
    assert_eq!(
        cells(&api.ok("get rules"))[1],
        ["all", "/v1/*", "-", "chat", "yes", "no"]
    );
    assert_eq!(
        cells(&api.ok("get svc"))[1],
        ["chat", "upstream", "upstream/ai-providers-upstream"]
    );
}

#[test]
fn a_target_is_drained_disabled_and_enabled_and_a_restart_changes_nothing() {
    let mut api = with_seed();
    let state = |api: &Api| {
        let target = api.json("get target ai-providers-upstream/openai-0");
        let health = api.json("health ai-providers-upstream");
        (target["state"].clone(), health["items"][0]["state"].clone())
    };
    let drained = api.run("drain ai-providers-upstream/openai-0 --deadline 60 --wait");
    assert_eq!(drained.code, 0, "{}", drained.stderr);
    assert_eq!(
        drained.stdout,
        "target/ai-providers-upstream/openai-0 draining\n"
    );
    assert_eq!(
        drained.stderr,
        "target/ai-providers-upstream/openai-0 is idle\n"
    );
    assert_eq!(state(&api), (json!("draining"), json!("draining")));
    api.restart();
    assert_eq!(state(&api), (json!("draining"), json!("draining")));
    api.ok("disable ai-providers-upstream/openai-0");
    assert_eq!(state(&api), (json!("disabled"), json!("disabled")));
    api.ok("enable ai-providers-upstream/openai-0 ai-providers-upstream/anthropic-1");
    assert_eq!(state(&api), (json!("enabled"), json!("healthy")));
}

#[test]
fn health_lists_every_target_with_its_share_by_weight() {
    let api = with_seed();
    let table = cells(&api.ok("health"));
    assert_eq!(
        table[0],
        [
            "TARGET",
            "STATE",
            "REASON",
            "SINCE",
            "IN FLIGHT",
            "SHARE",
            "BY WEIGHT",
            "NEXT PROBE",
            "LAST ERROR"
        ]
    );
    assert_eq!(
        table[1][0..2],
        ["ai-providers-upstream/openai-0", "healthy"]
    );
    assert_eq!(table[2][6], "50 %");
}

#[test]
fn long_lists_are_shown_whole() {
    let api = Api::start();
    let keys: String = (0..130)
        .map(|at| format!("kind: key\nname: k{at}\n---\n"))
        .collect();
    let file = api.file("keys.yaml", &keys);
    api.ok(&format!("apply -f {file}"));
    assert_eq!(api.ok("get keys -o name").lines().count(), 130);
}

#[test]
fn deleting_reports_each_object_and_can_take_what_is_gone_for_done() {
    let api = Api::start();
    for name in ["a", "b"] {
        api.run(&format!("create key {name}"));
    }
    let several = api.run("delete key a nope b");
    assert_eq!(several.code, 6, "{}", several.stderr);
    assert_eq!(several.stdout, "key/a deleted\nkey/b deleted\n");
    assert!(
        several.stderr.contains("no key named nope"),
        "{}",
        several.stderr
    );
    assert!(
        several.stderr.contains("1 of 3 failed"),
        "{}",
        several.stderr
    );
    api.fails("delete key a", 6);
    api.ok("delete key a --ignore-not-found");
}
