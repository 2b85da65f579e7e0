//! The rules of a gateway, ready to be asked.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use crate::{HeaderMatch, PathMatch, Rule, configuration::Index};

/// The active rules of a gateway, in the order in which they are tried.
///
/// An exact path goes before a prefix, a prefix before a regular expression; then the longer path
/// before the shorter, more headers before fewer, a named method before all methods; what is
/// still equal is tried in the order of creation.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    exact: Index<String, Vec<Arc<Rule>>>,
    prefix: Index<String, Vec<Arc<Rule>>>,
    regex: Vec<Arc<Rule>>,
}

/// Two rules that match the same requests with the same right.
#[derive(Clone, Debug)]
pub struct Indistinct {
    /// The rule that was there first.
    pub first: Arc<Rule>,
    /// The rule that cannot be told from it.
    pub second: Arc<Rule>,
}

impl RuleSet {
    /// Sorts `rules`, given in the order of creation; those that are not active are left out.
    ///
    /// # Errors
    ///
    /// Every pair of active rules with the same path and headers and a method in common, unless
    /// one of the two names its methods and the other takes all.
    pub fn compile(rules: &[Arc<Rule>]) -> Result<Self, Vec<Indistinct>> {
        let mut set = Self::default();
        let mut by_path: HashMap<String, Vec<&Arc<Rule>>> = HashMap::new();
        let mut faults = Vec::new();
        for rule in rules.iter().filter(|rule| rule.is_active()) {
            let neighbours = by_path.entry(rule.path().to_text()).or_default();
            let same = neighbours.iter().find(|other| is_indistinct(other, rule));
            if let Some(other) = same {
                faults.push(Indistinct {
                    first: Arc::clone(other),
                    second: Arc::clone(rule),
                });
            }
            neighbours.push(rule);
            let rule = Arc::clone(rule);
            match rule.path() {
                PathMatch::Exact(path) => set.exact.entry(path.clone()).or_default().push(rule),
                PathMatch::Prefix(path) => set.prefix.entry(path.clone()).or_default().push(rule),
                PathMatch::Regex(..) => set.regex.push(rule),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let right = |rule: &Arc<Rule>| {
            (
                Reverse(rule.headers().len()),
                rule.methods().is_empty(),
                rule.id(),
            )
        };
        for rules in set.exact.values_mut().chain(set.prefix.values_mut()) {
            rules.sort_by_key(right);
        }
        set.regex
            .sort_by_key(|rule| (Reverse(rule.path().to_text().len()), right(rule)));
        Ok(set)
    }

    /// Finds the rule for a request: `method` in upper case, `path` without its query, `header`
    /// the value of a header by lower-case name.
    pub fn find<'h>(
        &self,
        method: &str,
        path: &str,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<&Arc<Rule>> {
        let is_for = |rule: &&Arc<Rule>| {
            let methods = rule.methods();
            let has_header = |(name, value): (&String, &HeaderMatch)| {
                header(name).is_some_and(|found| value.is_match(found))
            };
            (methods.is_empty() || methods.iter().any(|named| named == method))
                && rule.headers().iter().all(has_header)
        };
        let exact = self
            .exact
            .get(path)
            .and_then(|rules| rules.iter().find(is_for));
        exact
            .or_else(|| {
                prefixes(path).find_map(|prefix| self.prefix.get(prefix)?.iter().find(is_for))
            })
            .or_else(|| {
                let matches = |rule: &&Arc<Rule>| match rule.path() {
                    PathMatch::Regex(_, regex) => regex.is_match(path),
                    PathMatch::Exact(_) | PathMatch::Prefix(_) => false,
                };
                self.regex.iter().filter(matches).find(is_for)
            })
    }

    /// Tells whether there is no active rule.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefix.is_empty() && self.regex.is_empty()
    }
}

/// Lists `path` and what stands above it, the longest first, the empty one (written `/*`) last.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |prefix| {
        prefix.rfind('/').and_then(|slash| prefix.get(..slash))
    })
}

/// Tells whether some request would match both rules, of the same path, with the same right.
fn is_indistinct(one: &Rule, other: &Rule) -> bool {
    let headers = |rule: &Rule| -> Vec<(String, String)> {
        let pairs = rule.headers().iter();
        pairs
            .map(|(name, value)| (name.clone(), value.to_text()))
            .collect()
    };
    let share_method = match (one.methods(), other.methods()) {
        ([], []) => true,
        ([], _) | (_, []) => false,
        (methods, others) => methods.iter().any(|method| others.contains(method)),
    };
    share_method && headers(one) == headers(other)
}
