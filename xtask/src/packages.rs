//! Programs of Debian's that a chore needs, installed where that is possible.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What nginx and haproxy are measured with.
pub(crate) const PROXIES: [(&str, &str); 2] = [("nginx", "nginx-light"), ("haproxy", "haproxy")];

/// What builds the zlib that pingora brings.
pub(crate) const BUILDS_PINGORA: [(&str, &str); 1] = [("cmake", "cmake")];

/// What counts instructions.
pub(crate) const COUNTS: [(&str, &str); 1] = [("valgrind", "valgrind")];

/// Installs what is missing of `wanted`, each a program and its package.
///
/// # Errors
///
/// When the package manager is not there, may not install, or fails; it says what to install.
pub(crate) fn install(wanted: &[(&str, &str)]) -> Result<()> {
    let packages: Vec<&str> = wanted
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--no-install-recommends"])
        .args(&packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    let list = packages.join(" ");
    let status = apt
        .status()
        .with_context(|| format!("apt-get did not start; install by hand: {list}"))?;
    if !status.success() {
        bail!("apt-get failed ({status}); install by hand: {list}");
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}
