//! The targets that the documentation shows.

use std::fs;
use std::path::Path;

use ai_gateway_registry::TargetState;
use serde_json::{Value, json};

use crate::fixture::Fixture;

/// The blocks of JSON in a page that are targets, and the page's name.
fn targets() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers");
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        for block in page.split("```json\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            let written: Value = serde_json::from_str(block).unwrap();
            if written.get("provider").is_some() {
                targets.push((path.display().to_string(), written));
            }
        }
    }
    targets
}

#[tokio::test]
async fn every_target_of_the_documentation_can_be_made() {
    let targets = targets();
    assert!(targets.len() > 28, "{}", targets.len());
    for (page, mut target) in targets {
        let credentials = target.get_mut("credentials").and_then(Value::as_object_mut);
        for value in credentials.into_iter().flat_map(|map| map.values_mut()) {
            // What the environment and files of a real gateway would give.
            let text = value.as_str().unwrap_or_default();
            assert!(
                !text.contains("${") || text.starts_with("${"),
                "{page}: {text}"
            );
            if text.starts_with("${") {
                *value = json!("value");
            }
        }
        let fixture = Fixture::with_upstream(json!({ "targets": [target] })).await;
        let health = fixture.health();
        let made = health.first().unwrap();
        assert_eq!(
            made.state,
            TargetState::Healthy,
            "{page}: {:?}",
            made.reason
        );
    }
}
