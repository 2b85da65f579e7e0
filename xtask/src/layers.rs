//! Which crate may use which.
//!
//! [`TABLE`] is the architecture's layers in a form that a program reads: an edge between two crates
//! of the workspace that the table lacks is a problem, and so is a package under a pure crate that
//! [`pure`] does not name. Add an edge together with its row here and in the architecture document.

mod pure;

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{DependencyKind, Package};
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::workspace::Workspace;

/// What one crate may use, of this workspace.
#[derive(Debug)]
struct Row {
    name: &'static str,
    layer: &'static str,
    may_use: &'static [&'static str],
    /// What its tests, benches and examples may use besides.
    tests_may_use: &'static [&'static str],
}

impl Row {
    fn is_pure(&self) -> bool {
        self.layer.ends_with("pure")
    }
}

const HEALTH: &str = "ai-gateway-health";
const BALANCER: &str = "ai-gateway-balancer";
const MODEL: &str = "ai-gateway-model";
const PROVIDERS: &str = "ai-gateway-providers";
const STORE: &str = "ai-gateway-store";
const REGISTRY: &str = "ai-gateway-registry";
const TELEMETRY: &str = "ai-gateway-telemetry";
const PROXY: &str = "ai-gateway-proxy";
const ADMIN: &str = "ai-gateway-admin";
const TESTKIT: &str = "ai-gateway-testkit";
const SERVER: &str = "gateway-server";
const OPERATOR: &str = "gateway-admin";

const TABLE: &[Row] = &[
    Row {
        name: HEALTH,
        layer: "0 pure",
        may_use: &[],
        tests_may_use: &[],
    },
    Row {
        name: BALANCER,
        layer: "0 pure",
        may_use: &[HEALTH],
        tests_may_use: &[],
    },
    Row {
        name: MODEL,
        layer: "0 pure",
        may_use: &[],
        tests_may_use: &[],
    },
    Row {
        name: PROVIDERS,
        layer: "1 pure",
        may_use: &[MODEL],
        tests_may_use: &[],
    },
    Row {
        name: STORE,
        layer: "1",
        may_use: &[MODEL],
        tests_may_use: &[],
    },
    Row {
        name: REGISTRY,
        layer: "1",
        may_use: &[MODEL, BALANCER, HEALTH],
        tests_may_use: &[],
    },
    Row {
        name: TELEMETRY,
        layer: "1",
        may_use: &[MODEL],
        tests_may_use: &[],
    },
    Row {
        name: PROXY,
        layer: "2",
        may_use: &[MODEL, PROVIDERS, REGISTRY, TELEMETRY],
        tests_may_use: &[TESTKIT],
    },
    Row {
        name: ADMIN,
        layer: "2",
        may_use: &[MODEL, STORE, REGISTRY, TELEMETRY],
        tests_may_use: &[TESTKIT],
    },
    Row {
        name: TESTKIT,
        layer: "2",
        may_use: &[MODEL, PROVIDERS],
        tests_may_use: &[],
    },
    Row {
        name: SERVER,
        layer: "3",
        may_use: &[
            HEALTH, BALANCER, MODEL, PROVIDERS, STORE, REGISTRY, TELEMETRY, PROXY, ADMIN,
        ],
        tests_may_use: &[TESTKIT],
    },
    Row {
        name: OPERATOR,
        layer: "4",
        may_use: &[
            HEALTH, BALANCER, MODEL, PROVIDERS, STORE, REGISTRY, TELEMETRY, ADMIN, TESTKIT, SERVER,
        ],
        tests_may_use: &[],
    },
    Row {
        name: "examples",
        layer: "dev",
        may_use: &[],
        tests_may_use: &[BALANCER, TESTKIT, SERVER],
    },
    Row {
        name: "xtask",
        layer: "dev",
        may_use: &[],
        tests_may_use: &[],
    },
];

/// What the check found.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Who uses whom, for people.
    pub(crate) table: String,
    /// What is not allowed.
    pub(crate) problems: Vec<String>,
}

/// Checks the edges between the workspace's crates and the closures of the pure ones.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings> {
    let packages = workspace.metadata().workspace_packages();
    let edges = edges_of(&packages);
    let mut problems = check_edges(&edges);
    let known: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    let named = packages.iter().map(|package| package.name.as_str());
    let missing = named.filter(|name| !known.contains(name));
    problems.extend(missing.map(|name| format!("{name} has no row in xtask/src/layers.rs")));
    for row in TABLE.iter().filter(|row| row.is_pure()) {
        let closure = closure_of(workspace, row.name)?;
        problems.extend(check_closure(
            row.name,
            &pure::packages_under(row),
            &closure,
        ));
    }
    Ok(Findings {
        table: draw(&edges),
        problems,
    })
}

/// One crate of the workspace using another.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Edge {
    user: String,
    used: String,
    is_for_tests: bool,
}

fn edges_of(packages: &[&Package]) -> Vec<Edge> {
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let edges_from = |package: &&Package| {
        let used = package
            .dependencies
            .iter()
            .filter(|used| names.contains(used.name.as_str()));
        let edge = |used: &cargo_metadata::Dependency| Edge {
            user: package.name.to_string(),
            used: used.name.clone(),
            is_for_tests: used.kind == DependencyKind::Development,
        };
        used.map(edge).collect::<Vec<_>>()
    };
    packages.iter().flat_map(edges_from).collect()
}

fn check_edges(edges: &[Edge]) -> Vec<String> {
    let is_allowed = |edge: &&Edge| {
        TABLE
            .iter()
            .find(|row| row.name == edge.user)
            .is_none_or(|row| {
                row.may_use.contains(&edge.used.as_str())
                    || edge.is_for_tests && row.tests_may_use.contains(&edge.used.as_str())
            })
    };
    let describe = |edge: &Edge| {
        let purpose = if edge.is_for_tests {
            " in its tests"
        } else {
            ""
        };
        format!(
            "{} uses {}{purpose}; its row in xtask/src/layers.rs does not allow it",
            edge.user, edge.used
        )
    };
    edges
        .iter()
        .filter(|edge| !is_allowed(edge))
        .map(describe)
        .collect()
}

/// Every package that `name` is built on with its default features, itself left out.
fn closure_of(workspace: &Workspace, name: &str) -> Result<BTreeSet<String>> {
    let output = Command::new("cargo")
        .args([
            "tree",
            "--package",
            name,
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}"])
        .current_dir(workspace.root())
        .output()
        .context("cargo tree did not run")?;
    if !output.status.success() {
        bail!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(names
        .filter(|used| *used != name)
        .map(str::to_owned)
        .collect())
}

fn check_closure(name: &str, allowed: &BTreeSet<&str>, closure: &BTreeSet<String>) -> Vec<String> {
    let outside = closure
        .iter()
        .filter(|used| !allowed.contains(used.as_str()));
    let describe = |used: &String| {
        format!("{name} is built on {used}, which xtask/src/layers/pure.rs does not name")
    };
    outside.map(describe).collect()
}

fn draw(edges: &[Edge]) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(["layer", "crate", "uses", "in tests"]);
    for row in TABLE {
        let used = |is_for_tests| {
            let of_row = |edge: &&Edge| edge.user == row.name && edge.is_for_tests == is_for_tests;
            let names = edges.iter().filter(of_row).map(|edge| short(&edge.used));
            names.collect::<Vec<_>>().join(" ")
        };
        table.add_row([row.layer, short(row.name), &used(false), &used(true)]);
    }
    table.trim_fmt()
}

fn short(name: &str) -> &str {
    name.strip_prefix("ai-gateway-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::{Edge, TABLE, check_closure, check_edges};

    fn problems(user: &str, used: &str, is_for_tests: bool) -> usize {
        check_edges(&[Edge {
            user: user.into(),
            used: used.into(),
            is_for_tests,
        }])
        .len()
    }

    #[test]
    fn an_edge_outside_the_table_is_a_problem() {
        assert_eq!(
            problems("ai-gateway-balancer", "ai-gateway-health", false),
            0
        );
        assert_eq!(
            problems("ai-gateway-health", "ai-gateway-balancer", false),
            1
        );
        assert_eq!(problems("ai-gateway-proxy", "ai-gateway-store", false), 1);
        assert_eq!(problems("gateway-admin", "ai-gateway-proxy", false), 1);
    }

    #[test]
    fn what_tests_may_use_the_crate_itself_may_not() {
        assert_eq!(problems("ai-gateway-proxy", "ai-gateway-testkit", true), 0);
        assert_eq!(problems("ai-gateway-proxy", "ai-gateway-testkit", false), 1);
    }

    #[test]
    fn a_package_that_is_not_named_as_pure_is_a_problem() {
        let closure = ["arc-swap", "tokio"].map(str::to_owned).into();
        let problems = check_closure("x", &["arc-swap"].into(), &closure);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("tokio"));
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Taking away, again and again, each crate whose whole row is gone leaves a cycle if any.
        let mut left: Vec<_> = TABLE.iter().collect();
        loop {
            let before = left.len();
            let names: Vec<&str> = left.iter().map(|row| row.name).collect();
            left.retain(|row| row.may_use.iter().any(|used| names.contains(used)));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "{left:?}");
    }
}
