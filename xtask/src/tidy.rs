//! What no compiler checks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, str};

use anyhow::{Context as _, Result, bail};
use regex::Regex;

use crate::workspace::Workspace;

/// Checks every file that git knows or would add.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let rules = Rules::new()?;
    let mut problems = Vec::new();
    for path in files(workspace.root())? {
        problems.extend(check_name(&path));
        let bytes = match fs::read(workspace.root().join(&path)) {
            Ok(bytes) => bytes,
            // Deleted and not committed yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        if let Ok(text) = str::from_utf8(&bytes) {
            problems.extend(rules.check_text(&path, text));
        }
    }
    Ok(problems)
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("git did not run")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let names = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names
        .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
        .collect())
}

/// The rules, compiled.
#[derive(Debug)]
struct Rules {
    ignored_test: Regex,
    todo: Regex,
    machine_path: Regex,
    registry_host: Regex,
    conflict: Regex,
}

impl Rules {
    fn new() -> Result<Self> {
        // The patterns are written so that they do not match themselves.
        let rule = |pattern: &str| Regex::new(pattern).context("a rule of tidy is not valid");
        Ok(Self {
            ignored_test: rule(r"#\[\s*ignore\b")?,
            todo: rule(TODO_PATTERN)?,
            machine_path: rule(
                r"/wor[k]/|share[d]/(?:design|house|seed)|/roo[t]/|/tm[p]/(?:brief|target)",
            )?,
            registry_host: rule(
                r"(?:crate[s]|index\.crate[s]|static\.crate[s])\.io|pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(?:org|com)|deb\.debia[n]\.org",
            )?,
            conflict: rule(r"^(?:<{7}|>{7}|\|{7}) ")?,
        })
    }

    /// Whether a comment, or a line that gives a task, has a `TODO` without an issue.
    fn has_loose_todo(&self, line: &str) -> bool {
        self.todo.captures_iter(line).any(|found| {
            let is_task = found.name("comment").is_some() || found.name("colon").is_some();
            is_task && found.name("issue").is_none()
        })
    }

    fn check_text(&self, path: &Path, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let is_lock_file = path.file_name().is_some_and(|name| name == "Cargo.lock");
        for (index, line) in text.lines().enumerate() {
            let checks = [
                (
                    is_rust && self.ignored_test.is_match(line),
                    "no test is ignored",
                ),
                (
                    self.has_loose_todo(line),
                    "a TODO names its issue: TODO(#12)",
                ),
                (self.machine_path.is_match(line), "a path of one machine"),
                (
                    !is_lock_file && self.registry_host.is_match(line),
                    "a package registry's host",
                ),
                (self.conflict.is_match(line), "a merge conflict"),
            ];
            let found = checks.iter().filter(|(found, _)| *found);
            problems.extend(
                found.map(|(_, problem)| format!("{}:{}: {problem}", path.display(), index + 1)),
            );
        }
        let is_manifest = path.file_name().is_some_and(|name| name == "Cargo.toml");
        if is_manifest
            && !text.contains("[lints]\nworkspace = true")
            && !text.contains("[workspace]")
        {
            problems.push(format!(
                "{}: takes no part in the workspace's lints",
                path.display()
            ));
        }
        problems
    }
}

fn check_name(path: &Path) -> Option<String> {
    let is_mod = path.file_name().is_some_and(|name| name == "mod.rs");
    is_mod.then(|| {
        format!(
            "{}: a module's file is named after it, not mod.rs",
            path.display()
        )
    })
}

const TODO_PATTERN: &str = r"(?<comment>(?://[/!]?|#|/\*|<!--)\s*)?\b(?:TODO|FIXM[E]|XX[X])\b(?<issue>\(#[0-9]+\))?(?<colon>:)?";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Rules, check_name};

    /// Answers how many problems `line` has in a file called `name`.
    fn problems(name: &str, line: &str) -> usize {
        Rules::new()
            .unwrap()
            .check_text(Path::new(name), line)
            .len()
    }

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(problems("a.rs", &["    #[igno", "re]"].concat()), 1);
        assert_eq!(problems("a.rs", &["#[igno", "re = \"slow\"]"].concat()), 1);
        assert_eq!(problems("a.rs", "// nothing to ignore"), 0);
    }

    #[test]
    fn a_todo_needs_its_issue() {
        let todo =
            |before: &str, after: &str| problems("a.md", &[before, "TO", "DO", after].concat());
        for after in ["", ": more", " more", "(soon)", "(#x)"] {
            assert_eq!(todo("// ", after), 1, "{after}");
        }
        assert_eq!(todo("* ", ": more"), 1);
        assert_eq!(todo("// ", "(#12): more"), 0);
        assert_eq!(todo("a ", " names its issue"), 0);
        assert_eq!(todo("// ", "S_ARE_A_NAME"), 0);
    }

    #[test]
    fn paths_of_one_machine_and_registry_hosts_are_found() {
        for parts in [
            ["see /wo", "rk/main"],
            ["in sha", "red/design/a.md"],
            ["/ro", "ot/.cargo"],
        ] {
            assert_eq!(problems("a.md", &parts.concat()), 1, "{parts:?}");
        }
        for parts in [
            ["from crat", "es.io"],
            ["at pyp", "i.org"],
            ["registry.npm", "js.org"],
        ] {
            assert_eq!(problems("a.md", &parts.concat()), 1, "{parts:?}");
        }
        assert_eq!(problems("Cargo.lock", &["crat", "es.io-index"].concat()), 0);
        assert_eq!(problems("a.md", "work/main, shared state, docs.rs"), 0);
    }

    #[test]
    fn a_module_file_is_not_called_mod() {
        assert!(check_name(Path::new("crates/a/src/b/mod.rs")).is_some());
        assert!(check_name(Path::new("crates/a/src/mode.rs")).is_none());
    }

    #[test]
    fn a_manifest_takes_part_in_the_lints() {
        assert_eq!(problems("a/Cargo.toml", "[package]\nname = \"a\"\n"), 1);
        assert_eq!(
            problems("a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
            0
        );
    }
}
