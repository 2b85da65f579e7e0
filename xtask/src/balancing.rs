//! What is measured of the balancer, beside other balancers: by the package in `xtask/peers`, which
//! ordinary builds never compile, as its peers take minutes to build.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::packages;
use crate::workspace::Workspace;

/// What to measure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Measured {
    /// What a pick costs.
    Pick,
    /// How many instructions a pick takes.
    Instructions,
    /// How well requests are balanced.
    Quality,
}

/// Builds the package for release and has it print its table; answers whether all was well.
pub(crate) fn run(workspace: &Workspace, measured: Measured) -> Result<bool> {
    packages::install(&packages::BUILDS_PINGORA)?;
    if measured == Measured::Instructions {
        packages::install(&packages::COUNTS)?;
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.root()).args([
        "run",
        "--release",
        "--locked",
        "--manifest-path",
        "xtask/peers/Cargo.toml",
        "--target-dir",
    ]);
    cargo.arg(workspace.target_dir().join("peers")).arg("--");
    match measured {
        Measured::Pick => cargo.arg("pick"),
        Measured::Instructions => cargo.arg("instructions"),
        // The plots that the documentation shows.
        Measured::Quality => cargo.args(["quality", "docs/balancing"]),
    };
    let status = cargo.status().context("cargo did not start")?;
    Ok(status.success())
}
